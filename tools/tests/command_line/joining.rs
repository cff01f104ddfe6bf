//! A cooperative has the name that its wallet gives it.

use crate::founded::Founded;
use crate::program::talea;

#[test]
fn an_invite_brings_nodes_and_leaves_the_name_that_a_wallet_has_given() {
    let founded = Founded::new();
    let (nadia, bruno) = (founded.wallet("nadia"), founded.wallet("bruno"));
    let (id, node) = (founded.cooperative().to_string(), format!("http://{}", founded.node.http));
    let said = talea(&nadia, &["invite", "--json"]).json();
    let invite = said["slip"].as_str().expect("a slip");
    talea(&bruno, &["join", &id, "--node", &node, "--name", "atelier"]).good();
    let called = |words: &[&str]| {
        let said = talea(&bruno, &[&["join"], words].concat()).good();
        (said.out.split(' ').next().expect("a name").to_owned(), said.err)
    };
    for words in [&[invite][..], &[id.as_str(), "--node", &node]] {
        let (name, said) = called(words);
        assert_eq!(
            (name.as_str(), said.contains("calls it fournil")),
            ("atelier", words == [invite])
        );
    }
    // By the name that is kept, the wallet finds it.
    talea(&bruno, &["log", "--coop", "atelier"]).good();
    let (name, said) = called(&[invite, "--name", "fournil"]);
    assert_eq!((name.as_str(), said.contains("calls it")), ("fournil", false));
    // Whoever meets it first takes what the invite says.
    let said = talea(&founded.wallet("dario"), &["join", invite]).good();
    assert!(said.out.starts_with("fournil "), "{}", said.out);
}
