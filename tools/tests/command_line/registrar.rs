//! The registrar's role goes to another member, by decision and by succession: whoever has it
//! admits, and whoever had it is refused, by the wallet and by a node that is given its signature. What
//! the old one had on its way, its successor adopts.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use talea_protocol::act::{Act, Mark};
use talea_protocol::bytes::List;
use talea_protocol::cut::{Cut, CutRoot};
use talea_protocol::entry::{Header, SCHEME, VERSION, sign};
use talea_protocol::hash::EntryId;

use crate::founded::{FOUNDED_MS, Founded};
use crate::nodes::Node;
use crate::program::talea;

/// Nothing here takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the node answers to an entry for the register that Nadia's key signs, whatever her wallet
/// says.
fn submit_of_nadia(founded: &Founded) -> Value {
    let (key, cooperative) = (&founded.keys[0], founded.cooperative());
    let overview = founded.node.overview(&cooperative, key);
    let basis: EntryId =
        overview["register"]["head"].as_str().expect("an id").parse().expect("an id");
    let log = talea(&founded.wallet("nadia"), &["log", "--mine", "--json"]).json();
    let mine = log.as_array().expect("a list");
    let prev: EntryId =
        mine.last().expect("the charter")["id"].as_str().expect("an id").parse().expect("an id");
    let seq = u64::try_from(mine.len()).expect("few");
    let (version, scheme, device, time) = (VERSION, SCHEME, key.device(), FOUNDED_MS);
    let payload = None;
    let header = Header { version, scheme, cooperative, device, seq, prev, basis, time, payload };
    let cut = Cut { at: basis, lengths: List::default(), root: CutRoot::new().finish() };
    let entry = sign(key, &header, &Act::Mark(Mark { cut })).expect("an entry");
    let address = format!("http://{}/v1/cooperatives/{cooperative}/entries", founded.node.http);
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let body = json!({ "entry": STANDARD.encode(entry.bytes()), "payload": null });
    let answer = agent.post(&address).send_json(&body);
    answer.expect("an answer").body_mut().read_json().expect("JSON")
}

fn type_in(founded: &Founded, wallet: &str, words: &[String]) -> crate::program::Said {
    talea(&founded.wallet(wallet), words)
}

#[test]
fn the_registrars_role_is_handed_over_and_taken_over_and_its_last_holder_is_refused() {
    let founded = Founded::new();
    let (nadia, chloe) = (founded.wallet("nadia"), founded.wallet("chloe"));
    let dario = founded.applicant("dario");

    // Nobody hands over what was not decided, and nobody takes it.
    let (error, next) = talea(&nadia, &["hand-over", "registrar", "chloe", "--yes"]).refused(2);
    assert!(error.contains("rule 28") && next.contains("`talea propose"), "{error} {next}");
    let (error, _) = type_in(&founded, "chloe", &dario).refused(2);
    assert!(error.contains("rule 16"), "{error}");

    founded.decide("Chloé keeps the register", &["--appoint", "registrar=chloe"]);
    let handed = talea(&nadia, &["hand-over", "registrar", "chloe", "--yes", "--json"]).json();
    assert_eq!(handed[0]["status"], "settled", "{handed}");
    let (error, next) = type_in(&founded, "nadia", &dario).refused(2);
    assert!(error.contains("rule 16") && next.contains("registrar"), "{error} {next}");
    talea(&nadia, &["fetch"]).good();
    let told = submit_of_nadia(&founded);
    assert_eq!(told["code"], "rule-16", "{told}");
    let admitted = type_in(&founded, "chloe", &dario).good();
    assert!(admitted.out.starts_with("settled"), "{admitted:?}");

    // Two of four are not more than half: three call, and the one they call for is one of them.
    let slip = |name: &str| {
        let said = talea(&founded.wallet(name), &["call", "bruno", "--json", "--yes"]).json();
        said["slip"].as_str().expect("a slip").to_owned()
    };
    talea(&founded.wallet("dario"), &["fetch"]).good();
    let emile = founded.applicant("emile");
    let (one, two) = (slip("dario"), slip("nadia"));
    let bruno = founded.wallet("bruno");
    let succeed = ["succeed", &one, &two, "--yes", "--json"];
    assert_eq!(talea(&bruno, &succeed).json()[0]["status"], "settled");
    let (error, _) = type_in(&founded, "chloe", &emile).refused(2);
    assert!(error.contains("rule 16"), "{error}");
    let admitted = type_in(&founded, "bruno", &emile).good();
    assert!(admitted.out.starts_with("settled"), "{admitted:?}");
    talea(&chloe, &["fetch"]).good();
    let overview = founded.node.overview(&founded.cooperative(), &founded.keys[0]);
    assert_eq!(overview["members"].as_u64(), Some(5), "{overview}");
}

#[test]
fn a_successor_adopts_what_the_old_registrar_had_on_its_way() {
    let mut founded = Founded::by(&["b", "c"], 2);
    let (nadia, bruno) = (founded.wallet("nadia"), founded.wallet("bruno"));
    talea(&bruno, &["check-head"]).good();
    talea(&founded.wallet("chloe"), &["check-head"]).good();
    let mut admit = founded.applicant("dario");
    admit.push("--json".to_owned());
    // One node numbers the admission and misses the calls; the others miss the admission.
    founded.others.iter_mut().for_each(Node::kill);
    let admitted = type_in(&founded, "nadia", &admit).json();
    assert_eq!(admitted[0]["status"], "sent", "{admitted}");
    founded.node.kill();
    founded.others.iter_mut().for_each(Node::start);
    let call = ["call", "bruno", "--json", "--yes"];
    let called = talea(&founded.wallet("chloe"), &call).json();
    let slip = called["slip"].as_str().expect("a slip");
    talea(&bruno, &call).good();
    founded.node.start();
    let settled =
        |node: &Node| node.overview(&founded.cooperative(), &founded.keys[0])["settled"].as_u64();
    let begun = Instant::now();
    while settled(&founded.node) < settled(&founded.others[0]) {
        assert!(begun.elapsed() < PATIENCE, "the first node does not catch up");
    }

    let succeeded = talea(&bruno, &["succeed", slip, "--yes", "--json"]).good();
    assert!(succeeded.err.contains("had on its way: 1 not settled"), "{succeeded:?}");
    assert_eq!(succeeded.json()[0]["status"], "settled");
    talea(&founded.wallet("dario"), &["fetch"]).good();
    let emile = founded.applicant("emile");
    let admitted = type_in(&founded, "bruno", &emile).good();
    assert!(admitted.out.starts_with("settled"), "{admitted:?}");
    talea(&nadia, &["fetch"]).good();
    let overview = founded.others[0].overview(&founded.cooperative(), &founded.keys[0]);
    assert_eq!(overview["members"].as_u64(), Some(5), "{overview}");
}
