//! Each message's frame, with each form, item and reception, and a payload both ways.

use serde_json::{Value, json};
use talea_protocol::bytes::{Octets, Text, hex};
use talea_protocol::hash::{EntryId, Hash};
use talea_protocol::key::NodeKey;
use talea_protocol::message::{Form, Item, LogSize, Message, Payload, Reception};

use crate::entries::list;
use crate::forks::forked;
use crate::{bytes, kept};

pub const COOPERATIVE: EntryId = EntryId([0x11; 32]);
pub const LOG: NodeKey = NodeKey([0x22; 32]);
pub const ENTRY: EntryId = EntryId([0x33; 32]);

pub fn octets<const MAX: usize>(bytes: &[u8]) -> Octets<MAX> {
    Octets::new(bytes.to_vec()).unwrap()
}

/// One of each kind, and what it says.
pub fn items() -> (Vec<Item>, Value) {
    let items = vec![
        Item::Bundle(octets(b"\0\x01a\0\x02bc")),
        Item::Known(list(vec![ENTRY, EntryId([0x34; 32])])),
        Item::Copy { log: LOG, from: 5, count: 6 },
    ];
    let says = json!([
        {"bundle": ["61", "6263"]},
        {"known": [ENTRY, EntryId([0x34; 32])]},
        {"copy": {"log": LOG, "from": 5, "count": 6}},
    ]);
    (items, says)
}

pub fn payload() -> (Payload, Value) {
    let says = json!({"entry": ENTRY, "salt": hex(&[0x5a; 32]), "bytes": hex(b"note")});
    (Payload { entry: ENTRY, salt: [0x5a; 32], bytes: octets(b"note") }, says)
}

fn logs() -> Vec<(&'static str, Message, Value)> {
    let (cooperative, log) = (COOPERATIVE, LOG);
    let (items, said) = items();
    let follow = |form| Message::Follow { cooperative, log, from: 7, frames: 8, form };
    let says = |form| json!({"log": LOG, "from": 7, "frames": 8, "form": form});
    let logs = list(vec![LogSize { node: log, size: 9 }]);
    let (items, checkpoint) = (list(items), octets(b"a note"));
    vec![
        ("open", Message::Open { cooperative, logs }, json!({"logs": [{"node": LOG, "size": 9}]})),
        ("follow, named", follow(Form::Named), says("named")),
        ("follow, whole", follow(Form::Whole), says("whole")),
        ("more", Message::More { cooperative, log, frames: 1 }, json!({"log": LOG, "frames": 1})),
        (
            "leaves",
            Message::Leaves { cooperative, log, from: 4, items, checkpoint },
            json!({"log": LOG, "from": 4, "items": said, "checkpoint": "a note"}),
        ),
        (
            "cosigned",
            Message::Cosigned { cooperative, note: octets(b"a note") },
            json!({"note": "a note"}),
        ),
        {
            let fork = forked();
            let said = json!({"fork": fork});
            ("forked", Message::Forked { cooperative, fork: Box::new(fork) }, said)
        },
    ]
}

fn entries() -> Vec<(&'static str, Message, Value)> {
    let (given, said) = payload();
    let submit = |payload| Message::Submit { entry: octets(b"an entry"), payload };
    let ask = Message::Ask { cooperative: COOPERATIVE, entries: list(vec![ENTRY]) };
    let gives = Message::Given { cooperative: COOPERATIVE, payload: given.clone() };
    let mut messages = vec![
        ("ask", ask, json!({"entries": [ENTRY]})),
        ("given", gives, json!({"payload": said})),
        ("submit, no payload", submit(None), json!({"entry": hex(b"an entry"), "payload": null})),
        ("submit", submit(Some(given)), json!({"entry": hex(b"an entry"), "payload": said})),
    ];
    let detail = Text::try_from("why\nand what to do".to_owned()).unwrap();
    let receptions = [
        ("answer, placed", Reception::Placed(10), json!({"placed": 10})),
        ("answer, known", Reception::Known(11), json!({"known": 11})),
        (
            "answer, waiting",
            Reception::Waiting(EntryId([0x34; 32])),
            json!({"waiting": EntryId([0x34; 32])}),
        ),
        (
            "answer, refused",
            Reception::Refused { rule: 9, detail: detail.clone() },
            json!({"refused": {"rule": 9, "detail": detail}}),
        ),
        ("answer, busy", Reception::Busy(250), json!({"busy": 250})),
    ];
    messages.extend(receptions.map(|(name, reception, said)| {
        (
            name,
            Message::Answer { entry: ENTRY, reception },
            json!({"entry": ENTRY, "reception": said}),
        )
    }));
    let (cooperative, entry, blake3) = (COOPERATIVE, ENTRY, Hash([0x35; 32]));
    let fetch = Message::Fetch { cooperative, entry, blake3, from: 196_608 };
    let bytes = octets(b"the last bytes");
    let piece = Message::Piece { cooperative, entry, blake3, from: 196_608, bytes };
    let asked = json!({"entry": entry, "blake3": blake3, "from": 196_608});
    let mut brought = asked.clone();
    brought["bytes"] = json!(hex(b"the last bytes"));
    messages.extend([("fetch", fetch, asked), ("piece", piece, brought)]);
    messages
}

pub fn vectors() -> Vec<Value> {
    let vector = |(name, message, mut says): (&str, Message, Value)| {
        if let Some(cooperative) = message.cooperative() {
            says["cooperative"] = json!(cooperative);
        }
        json!({"name": name, "says": says, "frame": hex(&message.frame())})
    };
    logs().into_iter().chain(entries()).map(vector).collect()
}

#[test]
fn every_kept_frame_is_a_message_and_is_written_back() {
    let mut tags = Vec::new();
    for vector in kept::vectors("messages") {
        let frame = bytes(&vector, "frame");
        assert_eq!(Message::parse(&frame).unwrap().frame(), frame, "{}", vector["name"]);
        tags.push(frame[0]);
    }
    tags.sort_unstable();
    tags.dedup();
    assert_eq!(tags, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
}
