//! Many entries by many devices, for benchmarks: contributions and attestations, each about 300
//! bytes, chains interleaved evenly.

use talea_protocol::act::{Act, Attest, Contribution, Stream};
use talea_protocol::bytes::{Code, Day, List, Quantity};
use talea_protocol::entry::{Commitment, Header, Signed, sign};
use talea_protocol::hash::EntryId;
use talea_protocol::key::{NodeKey, SecretKey};

use crate::people::{START_MS, charter, secret};

/// A charter by `devices` founders, and `count` entries after it.
///
/// Every fourth entry attests the contribution of a neighbour; every contribution commits to a
/// payload that is not there, as if it had been erased.
#[must_use]
pub fn load(devices: usize, count: usize, nodes: &[NodeKey], quorum: u8) -> Vec<Signed> {
    let keys: Vec<SecretKey> = (0..devices).map(|n| secret(n as u64)).collect();
    let founders: Vec<&SecretKey> = keys.iter().collect();
    let act = Act::Charter(Box::new(charter(&founders, nodes, 0, quorum)));
    let zero = Header::founding(keys[0].device(), START_MS);
    let founding = sign(&keys[0], &zero, &act).expect("an entry");
    let id = founding.id();
    let mut heads: Vec<(u64, EntryId)> = vec![(0, EntryId::ZERO); devices];
    heads[0] = (1, id);
    let mut entries = vec![founding];
    let mut last_work: Option<(usize, EntryId)> = None;
    for number in 0..count {
        let author = number % devices;
        let (seq, prev) = heads[author];
        let act = match last_work {
            Some((by, contribution)) if number % 4 == 3 && by != author => {
                Act::Attest(Attest { contribution })
            }
            _ => work(number),
        };
        let payload = match act {
            Act::Contribution(_) => Commitment::new(&[7; 32], &number.to_le_bytes()),
            _ => None,
        };
        let header = Header {
            cooperative: id,
            device: keys[author].device(),
            seq,
            prev,
            basis: id,
            time: START_MS + number as u64,
            payload,
            ..zero
        };
        let entry = sign(&keys[author], &header, &act).expect("an entry");
        if matches!(act, Act::Contribution(_)) {
            last_work = Some((author, entry.id()));
        }
        heads[author] = (seq + 1, entry.id());
        entries.push(entry);
    }
    entries
}

fn work(number: usize) -> Act {
    let day = Day::new(20_455).expect("a day");
    let tags = ["commons:CC-BY-SA", "sdg:5"].map(|tag| Code::try_from(tag).expect("a code"));
    Act::Contribution(Contribution {
        stream: if number.is_multiple_of(3) { Stream::Love } else { Stream::Livelihood },
        task: Code::try_from("bake").expect("a code"),
        quantity: Quantity::new(1 + (number % 480) as i64).expect("above zero"),
        begin: day,
        end: day,
        job: None,
        tags: List::new(tags.to_vec()).expect("two"),
    })
}
