//! Three processes keep one cooperative: entries through each, one killed and started again.

use serde_json::Value;
use talea_protocol::entry::Signed;
use talea_protocol::hash::EntryId;

use crate::people::{Author, found};
use crate::site::Site;

fn overview(site: &Site, reader: &Author, cooperative: &EntryId) -> Value {
    site.get_as(&reader.key, &format!("/v1/cooperatives/{cooperative}")).good()
}

/// Entries by all authors in turn, each submitted to the next of these sites.
fn write(
    authors: &mut [Author],
    cooperative: EntryId,
    sites: &[&Site],
    count: usize,
) -> Vec<Signed> {
    let mut entries = Vec::new();
    for n in 0..count {
        let author = n % authors.len();
        let minutes = i64::try_from(n % 400 + 1).unwrap();
        let entry = authors[author].work(cooperative, minutes);
        let answer = sites[(n / 2) % sites.len()].submit(&entry).good();
        assert!(["placed", "waiting"].contains(&answer["status"].as_str().unwrap()), "{answer}");
        entries.push(entry);
    }
    entries
}

#[test]
fn entries_through_any_node_settle_on_all_though_one_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut sites: Vec<Site> =
        ["a", "b", "c"].iter().map(|name| Site::new(folder.path().join(name))).collect();
    let nodes: Vec<_> = sites.iter().map(|site| site.node).collect();
    let (mut authors, charter) = found(4, &nodes, 2);
    let cooperative = charter.id();
    for site in &sites {
        let others: Vec<&Site> = sites.iter().filter(|other| other.node != site.node).collect();
        assert_eq!(site.host(&charter, &others).good()["status"], "hosting");
    }
    let all: Vec<&Site> = sites.iter().collect();
    let mut entries = write(&mut authors, cooperative, &all, 40);
    for site in &sites {
        site.wait_settled(&authors[0].key, &cooperative, 41);
    }

    sites[2].kill();
    let two: Vec<&Site> = sites.iter().take(2).collect();
    entries.extend(write(&mut authors, cooperative, &two, 40));
    for site in &two {
        site.wait_settled(&authors[0].key, &cooperative, 81);
    }
    sites[2].start();
    let all: Vec<&Site> = sites.iter().collect();
    entries.extend(write(&mut authors, cooperative, &all, 20));

    let mut roots = std::collections::BTreeSet::new();
    for site in &sites {
        site.wait_settled(&authors[0].key, &cooperative, 101);
        let seen = overview(site, &authors[0], &cooperative);
        assert_eq!((&seen["entries"], &seen["settled"]), (&101.into(), &101.into()), "{seen}");
        roots.insert(seen["state"].as_str().unwrap().to_owned());
        for entry in &entries {
            let path = format!("/v1/cooperatives/{cooperative}/entries/{}", entry.id());
            let shown = site.get_as(&authors[1].key, &path).good();
            assert_eq!((&shown["settled"], &shown["roster"]), (&true.into(), &3.into()), "{shown}");
        }
    }
    assert_eq!(roots.len(), 1, "the same entries, the same state");
    for site in &mut sites {
        assert_eq!(site.stop(), Some(0));
    }
}

#[test]
fn a_node_without_the_charter_asks_its_peers_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (Site::new(folder.path().join("a")), Site::new(folder.path().join("b")));
    let (mut authors, charter) = found(2, &[a.node, b.node], 2);
    let cooperative = charter.id();
    a.host(&charter, &[&b]).good();
    write(&mut authors, cooperative, &[&a], 10);
    let ready = b.get("/readyz");
    assert_eq!((ready.status, ready.json()["ready"].clone()), (200, true.into()));

    let peers = serde_json::json!([{ "node": a.node, "address": a.quic.to_string() }]);
    let body = serde_json::json!({ "cooperative": cooperative, "peers": peers });
    assert_eq!(b.control("POST", "/host", &body).good()["status"], "hosting");
    a.wait_settled(&authors[0].key, &cooperative, 11);
    b.wait_settled(&authors[0].key, &cooperative, 11);
}

#[test]
fn a_node_of_the_roster_is_known_by_the_charter_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (Site::new(folder.path().join("a")), Site::new(folder.path().join("b")));
    let (mut authors, charter) = found(2, &[a.node, b.node], 2);
    let cooperative = charter.id();
    // Nobody has told the first node where the second is, or that it exists.
    a.host(&charter, &[]).good();
    b.host(&charter, &[&a]).good();
    write(&mut authors, cooperative, &[&a, &b], 10);
    a.wait_settled(&authors[0].key, &cooperative, 11);
    b.wait_settled(&authors[0].key, &cooperative, 11);
}

/// Bytes of frames that a node has received and sent since its start.
fn carried(site: &Site) -> u64 {
    let text = String::from_utf8(site.get("/metrics").body).unwrap();
    let count = |name: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().parse().unwrap()
    };
    count("talea_received_bytes_total") + count("talea_sent_bytes_total")
}

/// The names of these entries alone would take 12.8 KB, the entries 120 KB.
#[test]
fn a_node_that_comes_back_is_sent_only_what_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let (a, mut b) = (Site::new(folder.path().join("a")), Site::new(folder.path().join("b")));
    let (mut authors, charter) = found(100, &[a.node, b.node], 2);
    let cooperative = charter.id();
    a.host(&charter, &[&b]).good();
    b.host(&charter, &[&a]).good();
    write(&mut authors, cooperative, &[&a, &b], 400);
    for site in [&a, &b] {
        site.wait_settled(&authors[0].key, &cooperative, 401);
    }
    assert_eq!(b.stop(), Some(0));
    b.start();
    b.submit(&authors[0].work(cooperative, 1)).good();
    b.wait_settled(&authors[0].key, &cooperative, 402);
    let carried = carried(&b);
    assert!(carried < 8 * 1024, "{carried} bytes");
}

#[test]
fn whoever_comes_back_to_the_events_misses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path().join("a"));
    let (mut authors, charter) = found(2, &[site.node], 1);
    let cooperative = charter.id();
    site.host(&charter, &[]).good();
    let entries = write(&mut authors, cooperative, &[&site], 10);
    let mut heard = Vec::new();
    let resume = site.listen(&authors[0].key, &cooperative, 0, |name, data| {
        heard.push((name.to_owned(), data["entry"].as_str().unwrap().to_owned()));
        heard.len() == 9
    });
    site.listen(&authors[0].key, &cooperative, resume, |name, data| {
        heard.push((name.to_owned(), data["entry"].as_str().unwrap().to_owned()));
        let last = entries[9].id().to_string();
        name == "settled" && data["entry"] == last.as_str()
    });
    for entry in &entries {
        for name in ["placed", "settled"] {
            let event = (name.to_owned(), entry.id().to_string());
            assert!(heard.contains(&event), "{event:?}");
        }
    }
}
