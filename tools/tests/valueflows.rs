//! What `talea-verify books --as valueflows` writes has only terms of Valueflows 1.0.0, and every name
//! in it leads somewhere.

#![expect(clippy::unwrap_used, reason = "what cannot be set up cannot be tested")]

use std::collections::BTreeSet;

use serde_json::Value;
use talea_protocol::act::{
    Act, Action, Agreement, Attest, Belonging, Clause, Commit, Content, Contribution, Correct,
    Delivery, Direction, Draw, Duty, Intent, Party, Resource, Taking,
};
use talea_protocol::bytes::{Code, List, Quantity};
use talea_protocol::charter::Member;
use talea_protocol::hash::EntryId;
use talea_tests::quarter;
use talea_tools::amount;
use talea_tools::books::{Books, valueflows};
use talea_tools::verify::{Audit, Policy, Status, audit};

fn read(file: &[u8]) -> Audit {
    let read = audit(file, &Policy::default(), 0).unwrap();
    assert_eq!(read.status, Status::Valid, "{:?}", read.found);
    read
}

/// Terms of Valueflows 1.0.0 (`all_vf.TTL`, owl:versionInfo 1.0.0), by class: what may be said of it.
const TERMS: [(&str, &[&str]); 11] = [
    ("Person", &["name", "note", "image", "primaryLocation"]),
    ("Organization", &["name", "note", "image", "primaryLocation", "classifiedAs"]),
    (
        "ResourceSpecification",
        &["name", "note", "image", "resourceClassifiedAs", "mediumOfExchange"],
    ),
    ("Agreement", &["name", "note", "created"]),
    (
        "Proposal",
        &[
            "name",
            "note",
            "created",
            "hasBeginning",
            "hasEnd",
            "purpose",
            "unitBased",
            "publishes",
            "reciprocal",
            "proposedTo",
            "eligibleLocation",
        ],
    ),
    ("Intent", &PLANNED),
    ("Commitment", &PLANNED),
    (
        "Process",
        &[
            "name",
            "note",
            "finished",
            "hasBeginning",
            "hasEnd",
            "inScopeOf",
            "classifiedAs",
            "plannedWithin",
        ],
    ),
    ("Measure", &["hasNumericalValue", "hasUnit"]),
    (
        "Claim",
        &[
            "action",
            "provider",
            "receiver",
            "triggeredBy",
            "resourceConformsTo",
            "resourceQuantity",
            "effortQuantity",
            "resourceClassifiedAs",
            "due",
            "created",
            "finished",
            "note",
        ],
    ),
    (
        "EconomicEvent",
        &[
            "action",
            "provider",
            "receiver",
            "inputOf",
            "outputOf",
            "resourceConformsTo",
            "resourceQuantity",
            "effortQuantity",
            "resourceClassifiedAs",
            "hasBeginning",
            "hasEnd",
            "hasPointInTime",
            "created",
            "realizationOf",
            "reciprocalRealizationOf",
            "settles",
            "corrects",
            "fulfills",
            "satisfies",
            "note",
            "state",
            "toLocation",
            "resourceInventoriedAs",
            "toResourceInventoriedAs",
            "image",
        ],
    ),
];
/// What intents and commitments have in common; what one alone has, `in_vocabulary` says.
const PLANNED: [&str; 20] = [
    "action",
    "provider",
    "receiver",
    "inputOf",
    "outputOf",
    "resourceConformsTo",
    "resourceQuantity",
    "effortQuantity",
    "resourceClassifiedAs",
    "resourceInventoriedAs",
    "hasBeginning",
    "hasEnd",
    "hasPointInTime",
    "due",
    "created",
    "finished",
    "note",
    "clauseOf",
    "satisfies",
    "availableQuantity",
];
/// What only commitments have, and what only intents have.
const APART: [(&str, &[&str]); 2] =
    [("Intent", &["clauseOf", "satisfies"]), ("Commitment", &["availableQuantity"])];
const ACTIONS: [&str; 7] =
    ["work", "produce", "use", "consume", "cite", "deliverService", "transfer"];

/// Every node of a class that the vocabulary has, with nothing that the class has not.
fn in_vocabulary(node: &Value) {
    let class = node["type"].as_str().expect("a class");
    let (_, terms) = TERMS.iter().find(|(name, _)| *name == class).expect(class);
    for (term, value) in node.as_object().unwrap() {
        let known = ["id", "type"].contains(&term.as_str()) || terms.contains(&term.as_str());
        assert!(known, "{class} has no {term}");
        if value.is_object() {
            in_vocabulary(value);
        }
    }
    if let Some(action) = node["action"].as_str() {
        assert!(ACTIONS.contains(&action), "{action}");
    }
    if let Some((_, absent)) = APART.iter().find(|(name, _)| *name == class) {
        assert!(absent.iter().all(|term| node[*term].is_null()), "{node}");
    }
    if class == "Proposal" {
        assert!(["offer", "request"].contains(&node["purpose"].as_str().unwrap()), "{node}");
    }
}

/// Every node in the vocabulary, each id once, and every name that of a node.
fn holds_together(document: &Value) -> &Vec<Value> {
    let nodes = document["@graph"].as_array().unwrap();
    let ids: BTreeSet<&str> = nodes.iter().filter_map(|node| node["id"].as_str()).collect();
    assert_eq!(ids.len(), nodes.len(), "each id once");
    let context = document["@context"].as_object().unwrap();
    let links = context.iter().filter(|(_, how)| how["@type"] == "@id").map(|(name, _)| name);
    let links: Vec<&String> =
        links.filter(|name| *name != "hasUnit" && *name != "resourceClassifiedAs").collect();
    for node in nodes {
        in_vocabulary(node);
        for name in &links {
            let named = match &node[name.as_str()] {
                Value::String(one) => vec![one.as_str()],
                Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
                _ => Vec::new(),
            };
            let known = |id: &&str| ids.contains(id) || id.starts_with("urn:iso4217:");
            assert!(named.iter().all(known), "{name} of {node}");
        }
        // What leads somewhere is said to be a name, and not a text.
        let leads = |value: &Value| value.as_str().is_some_and(|text| ids.contains(text));
        for (name, value) in node.as_object().unwrap().iter().filter(|(name, _)| *name != "id") {
            let is_link = leads(value) || value.as_array().is_some_and(|all| all.iter().any(leads));
            assert!(!is_link || links.contains(&name), "{name} of {node} has no type");
        }
    }
    nodes
}

#[test]
fn the_valueflows_document_has_only_terms_of_1_0_and_every_name_leads_somewhere() {
    let audit = read(&quarter::played(quarter::JANUARY).export(0));
    let document = valueflows(&audit, &Books::new(&audit).unwrap());
    let nodes = holds_together(&document);
    let run = nodes
        .iter()
        .find(|node| node["id"].as_str().unwrap().ends_with(":0") && node["settles"].is_array());
    assert_eq!(run.unwrap()["resourceQuantity"]["hasNumericalValue"], "645.54");
    let work = nodes.iter().filter(|node| node["action"] == "work").count();
    assert_eq!(work, 12);
}

fn code(text: &str) -> Code {
    Code::try_from(text).unwrap()
}

fn some(name: &str, unit: &str, quantity: i64) -> Resource {
    Resource { code: code(name), unit: code(unit), quantity: Quantity::new(quantity).unwrap() }
}

/// January with a correction, an offer, a request, an agreement, a promise and what fulfils it.
fn planned() -> Audit {
    let mut made = quarter::unsettled(quarter::FILE, quarter::JANUARY);
    let (alba, bruno) = (Party::Member(Member(0)), Party::Member(Member(1)));
    let work = made.entries.iter().find_map(|entry| match entry.content() {
        Content::Known(Act::Contribution(work))
            if entry.header().device == made.members[0].device() =>
        {
            Some((entry.id(), work.clone()))
        }
        _ => None,
    });
    let (contribution, given) = work.expect("somebody worked");
    let until = Some(amount::day("2026-03-31").unwrap());
    let due = amount::day("2026-02-15").unwrap();
    let mut said = Vec::new();
    let mut say = |author: usize, act: Act| -> EntryId {
        let entry = made.sign(author, &act, None);
        said.push(entry.clone());
        entry.id()
    };
    say(0, Act::Correct(Correct { contribution, difference: -7 }));
    let intent = |direction, what| Act::Intent(Intent { direction, what, until, circle: None });
    say(0, intent(Direction::Offer, some("flour", "kg", 25)));
    let wanted = say(1, intent(Direction::Request, some(given.task.as_str(), "word", 900)));
    let clause =
        |provider, receiver, duty, what| Clause { provider, receiver, duty, what, due: None };
    let clauses = vec![
        clause(alba, bruno, Duty::Work, some(given.task.as_str(), "word", 900)),
        clause(bruno, Party::Cooperative, Duty::Produce, some("glossary", "one", 1)),
    ];
    let parties = List::new(vec![Party::Cooperative, alba, bruno]).unwrap();
    let agreement =
        say(0, Act::Agreement(Agreement { parties, clauses: List::new(clauses).unwrap() }));
    let (what, receiver) = (some(given.task.as_str(), "word", 900), bruno);
    let promise = Commit {
        intent: Some(wanted),
        agreement: Some(agreement),
        receiver,
        duty: Duty::Work,
        what,
        due,
    };
    let commitment = Some(say(0, Act::Commit(promise)));
    let belonging = Belonging { commitment, ..Belonging::default() };
    let work = Contribution { quantity: Quantity::new(900).unwrap(), job: None, ..given };
    let delivery = Delivery { work, action: Action::Work, resource: None, belonging };
    let delivered = say(0, Act::Deliver(Box::new(delivery)));
    say(1, Act::Attest(Attest { contribution: delivered }));
    let mut draw = |author, taking, resource, belonging| {
        say(author, Act::Draw(Draw { taking, resource, date: due, belonging }));
    };
    let belonging = Belonging { agreement: Some(agreement), ..Belonging::default() };
    draw(0, Taking::Use, some("oven", "hour", 3), Belonging::default());
    draw(1, Taking::Cite, some("glossary", "one", 1), belonging);
    draw(1, Taking::Consume, some("flour", "kg", 7), Belonging::default());
    for entry in &said {
        made.place(entry, &[0, 1, 2]);
    }
    quarter::settle(&mut made);
    read(&made.export(0))
}

#[test]
fn what_is_offered_agreed_promised_and_put_right_is_in_the_valueflows_document() {
    let audit = planned();
    let document = valueflows(&audit, &Books::new(&audit).unwrap());
    let nodes = holds_together(&document);
    let all = |class: &str| nodes.iter().filter(|it| it["type"] == class).collect::<Vec<_>>();
    let only = |class: &str, what: &dyn Fn(&Value) -> bool| -> Value {
        let found: Vec<&Value> = all(class).into_iter().filter(|it| what(it)).collect();
        assert_eq!(found.len(), 1, "{class}: {found:?}");
        found[0].clone()
    };
    let count = |value: &Value| value["hasNumericalValue"].as_str().unwrap().to_owned();
    let corrects = only("EconomicEvent", &|it| !it["corrects"].is_null());
    assert_eq!(count(&corrects["effortQuantity"]), "-7");
    let corrected = only("EconomicEvent", &|it| it["id"] == corrects["corrects"]);
    assert_eq!(corrected["provider"], corrects["provider"]);

    let offer = only("Proposal", &|it| it["purpose"] == "offer");
    let offered = only("Intent", &|it| it["id"] == offer["publishes"]);
    assert_eq!(
        (&offered["action"], &offer["hasEnd"]),
        (&"transfer".into(), &"2026-03-31T00:00:00Z".into())
    );
    assert_eq!(count(&offered["resourceQuantity"]), "25");
    assert!(offered["provider"].is_string() && offered["receiver"].is_null(), "{offered}");
    let request = only("Proposal", &|it| it["purpose"] == "request");
    let asked = only("Intent", &|it| it["id"] == request["publishes"]);
    assert_eq!((&asked["action"], &asked["provider"]), (&"work".into(), &Value::Null));

    let promised = only("Commitment", &|it| it["satisfies"] == asked["id"]);
    assert_eq!((&promised["finished"], &promised["receiver"]), (&true.into(), &asked["receiver"]));
    assert_eq!(promised["due"], "2026-02-15T00:00:00Z");
    let fulfils = only("EconomicEvent", &|it| !it["fulfills"].is_null());
    assert_eq!(fulfils["fulfills"][0], promised["id"]);
    let agreement = only("Agreement", &|it| it["id"] == promised["clauseOf"]);
    let clauses = all("Commitment").into_iter().filter(|it| it["clauseOf"] == agreement["id"]);
    let mut actions: Vec<&str> = clauses.filter_map(|it| it["action"].as_str()).collect();
    actions.sort_unstable();
    assert_eq!(actions, ["produce", "work", "work"]);

    let drawn = |action: &str| only("EconomicEvent", &|it| it["action"] == action);
    for (action, what, amount, member) in
        [("use", "oven", "3", 0), ("cite", "glossary", "1", 1), ("consume", "flour", "7", 1)]
    {
        let draw = drawn(action);
        assert_eq!(count(&draw["resourceQuantity"]), amount);
        let spec = only("ResourceSpecification", &|it| it["id"] == draw["resourceConformsTo"]);
        assert_eq!((&spec["name"], &draw["hasPointInTime"]), (&what.into(), &promised["due"]));
        assert!(draw["receiver"].as_str().unwrap().ends_with(&format!(":member:{member}")));
        assert!(only("Organization", &|it| it["id"] == draw["provider"])["name"].is_string());
    }
    assert_eq!(drawn("cite")["realizationOf"], agreement["id"]);
    assert!(drawn("use")["realizationOf"].is_null());
}
