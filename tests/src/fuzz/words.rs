//! What people type, paste and are shown: amounts, days, slips, payloads, previews.
//!
//! What is read is shown so that it is read as the same again, and what is shown does nothing to
//! the terminal.

use talea_protocol::act::{Act, Subscribe};
use talea_protocol::bytes::{decode, encode};
use talea_protocol::charter::{Kind, Member};
use talea_protocol::entry::Entry;
use talea_protocol::hash::EntryId;
use talea_protocol::key::Purpose;
use talea_protocol::recovery::Call;
use talea_tools::amount::{
    day, decimal, hours, minor, minutes, month, show_day, show_month, show_time,
};
use talea_tools::names::{Called, Words};
use talea_tools::slip::{
    Invite, Joining, parse_subscription, render_approval, render_subscription,
};
use talea_tools::word::{Against, Calling, Leaving};
use talea_tools::{preview, table};

use super::export::harmless;
use super::script::{Script, bytes};
use super::seed;
use crate::people::secret;

const COOPERATIVE: EntryId = EntryId([0x11; 32]);

/// Numbers, durations, days and months.
///
/// # Panics
/// If a property does not hold, as all targets here.
pub fn amount(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    for places in [0, 1, 2, 3, 18, 255] {
        if let Ok(amount) = minor(text, places) {
            assert_eq!(minor(&decimal(amount, places), places), Ok(amount), "{places} places");
        }
    }
    if let Ok(time) = minutes(text) {
        let shown = hours(u64::try_from(time).expect("a duration is above zero"));
        assert_eq!(minutes(&shown), Ok(time));
    }
    if let Ok(read) = day(text) {
        assert_eq!(day(&show_day(read)), Ok(read));
    }
    if let Ok(read) = month(text) {
        assert_eq!(month(&show_month(read)), Ok(read));
    }
    harmless(&show_time(Script::new(input).number()));
}

/// Amounts and times of each form.
#[must_use]
pub fn amounts() -> Vec<Vec<u8>> {
    let texts = ["1440", "1 440.50", "0,01", "9223372036854775807", "3h30", "45m", "2h"];
    let times = ["2026-01-31", "9999-12-31", "0001-01-01", "2026-01", "-5", "\u{202f}1"];
    texts.iter().chain(&times).map(|text| text.as_bytes().to_vec()).collect()
}

/// Slips that members paste: each has one form, and is its device's.
pub fn slip(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    if let Ok(joining) = Joining::parse(text, COOPERATIVE) {
        assert_eq!(joining.render(), text.trim(), "another way to write the request");
    }
    if let Ok(approval) = joining().approval(text) {
        assert_eq!(render_approval(&approval), text.trim(), "another way to write the approval");
    }
    if let Ok(subscribe) = parse_subscription(text, COOPERATIVE) {
        let shown = render_subscription(COOPERATIVE, &subscribe);
        assert_eq!(shown, text.trim(), "another way to write the consent");
    }
}

fn joining() -> Joining {
    let called = Called { handle: "dario".to_owned(), name: "Dario".to_owned() };
    Joining::new(COOPERATIVE, Kind::Person, called, &secret(4))
}

/// A slip of each kind.
#[must_use]
pub fn slips() -> Vec<Vec<u8>> {
    let joining = joining();
    let subscribe = seed::acts().into_iter().find_map(|act| match decode(&act, 49_152) {
        Ok(Act::Subscribe(subscribe)) => Some(subscribe),
        _ => None,
    });
    let mut subscribe: Subscribe = subscribe.expect("a subscription in the vectors");
    subscribe.device = secret(4).device();
    let signed = talea_protocol::act::subscription(&COOPERATIVE, &subscribe);
    subscribe.signature = secret(4).sign(Purpose::Subscription, &signed);
    let slips = [
        joining.render(),
        render_approval(&joining.approve(&secret(1))),
        render_subscription(COOPERATIVE, &subscribe),
    ];
    slips.iter().flat_map(|slip| seed::misspelt(slip.as_bytes())).collect()
}

/// Invites, which nobody has signed, and words that members pass on: each has one form, and what is
/// shown of an invite does nothing to the terminal.
pub fn invite(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    if let Ok(invite) = Invite::parse(text) {
        harmless(&invite.name);
        invite.nodes.iter().for_each(|(_, http)| harmless(http));
        assert_eq!(Invite::parse(&invite.render()), Ok(invite), "it is not read as the same again");
    }
    let again = [
        Against::parse(text, COOPERATIVE).map(|it| it.render()),
        Leaving::parse(text, COOPERATIVE).map(|it| it.render()),
        Calling::parse(text, COOPERATIVE).map(|it| it.render()),
    ];
    for word in again.into_iter().flatten() {
        assert_eq!(word, text.trim(), "another way to write the word");
    }
}

/// An invite, one that paints, and a word of each kind.
#[must_use]
pub fn invites() -> Vec<Vec<u8>> {
    let (node, key) = (secret(17).node(), secret(4));
    let nodes = vec![(node, "http://127.0.0.1:7340".to_owned()); 3];
    let invite = |name: &str| {
        Invite { cooperative: COOPERATIVE, name: name.to_owned(), nodes: nodes.clone() }.render()
    };
    let call = Call { at: COOPERATIVE, successor: Member(1) };
    let slips = [
        invite("Le Fournil"),
        invite("Le\u{1b}[2J \u{202e}Fournil"),
        Against::new(COOPERATIVE, secret(3).device(), &key).render(),
        Leaving::new(COOPERATIVE, Member(2), &key).render(),
        Calling::new(COOPERATIVE, call, &key).render(),
    ];
    slips.iter().flat_map(|slip| seed::misspelt(slip.as_bytes())).collect()
}

/// What a member is shown before signing, and the words beside it.
pub fn shown(input: &[u8]) {
    let mut script = Script::new(input);
    let (unsigned, payload) = (script.bytes(), script.bytes());
    let words = Words::read(payload);
    assert_eq!(Words::read(&words.payload()), words);
    let Some((header, act)) = preview::read(unsigned) else {
        assert!(preview::rows(unsigned, Some(payload), None).is_none(), "shown and not read");
        return;
    };
    assert_eq!([encode(&header), encode(&act)].concat(), unsigned, "shown is not what is signed");
    let rows = preview::rows(unsigned, Some(payload), None).expect("it was read");
    table::pairs(rows).lines().for_each(harmless);
    harmless(&table::plain(&preview::line(&act, None)));
}

/// Every entry of the vectors with names and a note beside it.
#[must_use]
pub fn previews() -> Vec<Vec<u8>> {
    let payload = br#"{"members":[{"handle":"a\u001b[2J","name":"\u202eA"}],"note":"\u0007\n=1"}"#;
    let shown = |entry: Vec<u8>| {
        let entry = Entry::parse(entry).ok()?;
        let unsigned = &entry.bytes()[..entry.bytes().len() - 64];
        Some([bytes(unsigned)?, bytes(payload)?].concat())
    };
    seed::entries().into_iter().filter_map(shown).collect()
}
