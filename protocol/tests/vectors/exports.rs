//! Each section of an export, and the file that they make.

use serde_json::{Value, json};
use talea_protocol::bytes::{FRAME_BYTES_MAX, decode, encode, hex};
use talea_protocol::export::{Section, Sections, Writer};
use talea_protocol::hash::Hash;
use talea_protocol::key::NodeKey;

use crate::entries::list;
use crate::messages::{COOPERATIVE, LOG, items, octets, payload};
use crate::{bytes, kept, named};

const NODE: NodeKey = NodeKey([0x23; 32]);
const TIME: u64 = 1_767_312_000_000;

/// All but the last one.
fn sections() -> [(&'static str, Section, Value); 5] {
    let ((items, said), (payload, given)) = (items(), payload());
    let head = Section::Head { cooperative: COOPERATIVE, node: NODE, time: TIME };
    let leaves = Section::Leaves { from: 0, bundle: octets(b"\0\x01a\0\x02bc") };
    let mirror = Section::Mirror { log: LOG, from: 3, items: list(items) };
    let checkpoint = Section::Checkpoint { log: LOG, note: octets(b"a note") };
    [
        ("head", head, json!({"cooperative": COOPERATIVE, "node": NODE, "time": TIME})),
        ("leaves", leaves, json!({"from": 0, "bundle": ["61", "6263"]})),
        ("mirror", mirror, json!({"log": LOG, "from": 3, "items": said})),
        ("checkpoint", checkpoint, json!({"log": LOG, "note": "a note"})),
        ("payload", Section::Payload(payload), given),
    ]
}

fn file() -> (Vec<u8>, Hash) {
    let (mut writer, mut file) = Writer::begin(COOPERATIVE, NODE, TIME);
    for (_, section, _) in sections().iter().skip(1) {
        file.extend(writer.frame(section));
    }
    let end = writer.end();
    let digest = Hash(*end.last_chunk().unwrap());
    file.extend(end);
    (file, digest)
}

pub fn vectors() -> Vec<Value> {
    let (file, digest) = file();
    let end = ("end", Section::End { digest }, json!({"digest": digest}));
    let vector = |(name, section, says)| json!({"name": name, "says": says, "section": hex(&encode(&section))});
    let mut vectors: Vec<Value> = sections().into_iter().chain([end]).map(vector).collect();
    vectors.push(json!({"name": "file", "bytes": hex(&file)}));
    vectors
}

#[test]
fn every_kept_section_is_one_and_the_kept_file_holds_them() {
    let kept = kept::vectors("exports");
    let mut held = Vec::new();
    for (name, ..) in sections() {
        let bytes = bytes(&named(&kept, name), "section");
        let section: Section = decode(&bytes, FRAME_BYTES_MAX).unwrap();
        assert_eq!(encode(&section), bytes);
        held.push(section);
    }
    let file = bytes(&named(&kept, "file"), "bytes");
    let read: Vec<Section> =
        Sections::new(&file).unwrap().map(|section| section.unwrap().1).collect();
    assert_eq!(read, held);
}
