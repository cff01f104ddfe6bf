//! The page with every report: whole by itself, in both languages, and harmless whatever it shows.

#![expect(clippy::unwrap_used, reason = "what cannot be set up cannot be tested")]

use std::collections::BTreeSet;

use talea_protocol::act::{Act, Expense};
use talea_protocol::bytes::{Code, Quantity};
use talea_protocol::entry::sign;
use talea_protocol::hash::EntryId;
use talea_protocol::key::{NodeKey, SecretKey};
use talea_tests::coop::header;
use talea_tests::handmade::{Handmade, roster_keys};
use talea_tests::people::charter;
use talea_tests::quarter;
use talea_tools::explain::explain;
use talea_tools::lang::Lang;
use talea_tools::page::{SHOWN_MAX, page, page_of};
use talea_tools::verify::{Audit, Policy, audit};

fn read(file: &[u8]) -> Audit {
    audit(file, &Policy::default(), 0).unwrap()
}

/// What stands between `name="` and the next quotation mark.
fn values<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let begin = format!(" {name}=\"");
    page.split(begin.as_str()).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn the_page_asks_nothing_of_anybody_and_every_link_leads_somewhere() {
    let audit = read(&quarter::played(quarter::LAST).export(0));
    for (lang, title) in [(Lang::En, "Trial balance"), (Lang::Fr, "Balance des comptes")] {
        let page = page(&audit, lang).unwrap();
        assert!(page.contains(&format!("<html lang=\"{}\">", lang.code())) && page.contains(title));
        assert!(page.contains("default-src 'none'"));
        for outside in ["http:", "https:", "<script", "<link", "<iframe", "<img", "@import", "url("]
        {
            assert!(!page.contains(outside), "{outside}");
        }
        let ids = values(&page, "id");
        let distinct: BTreeSet<&&str> = ids.iter().collect();
        assert_eq!(ids.len(), distinct.len(), "no id twice");
        for href in values(&page, "href") {
            let anchor = href.strip_prefix('#').expect("a link within the page");
            assert!(ids.contains(&anchor), "{anchor}");
        }
        // Each entry is on the page, whole.
        for id in audit.shown.entries.keys() {
            assert!(ids.contains(&format!("e-{id}").as_str()));
        }
        for key in ["title-", "col-", "word-", "about-", "check-", "cannot-", "act-", "clause-"] {
            let said = page.split('>').filter(|text| text.trim_start().starts_with(key)).count();
            assert_eq!(said, 0, "a key without words: {key}");
        }
    }
}

#[test]
fn a_page_shows_every_entry_up_to_its_limit_and_of_one_more_those_that_figures_name() {
    let audit = read(&quarter::played(quarter::LAST).export(0));
    let count = audit.shown.entries.len();
    assert!(SHOWN_MAX == 2_000 && count < SHOWN_MAX);
    let commands =
        ["work --csv FILE", "member FILE NAME", "ledger --csv FILE", "entries --csv FILE"];
    for lang in [Lang::En, Lang::Fr] {
        let whole = page(&audit, lang).unwrap();
        assert_eq!(page_of(&audit, lang, count).unwrap(), whole);
        assert!(!whole.contains("talea-verify work"));
        let part = page_of(&audit, lang, count - 1).unwrap();
        assert!(part.len() < whole.len(), "{} of {}", part.len(), whole.len());
        for command in commands {
            let command = format!("talea-verify {command}");
            let french = command.replace("FILE", "FICHIER").replace("NAME", "NOM");
            assert!(part.contains(if lang == Lang::Fr { &french } else { &command }), "{command}");
        }
        let said = if lang == Lang::Fr { "une page en montre" } else { "and one page shows" };
        assert!(part.contains(said) && !whole.contains(said));
    }
}

#[test]
fn a_page_that_shows_less_has_all_figures_and_no_link_that_leads_nowhere() {
    let audit = read(&quarter::played(quarter::LAST).export(0));
    let (whole, most) = (page(&audit, Lang::En).unwrap(), 100);
    let part = page_of(&audit, Lang::En, most).unwrap();
    let shown = |page: &str| page.matches("<article ").count();
    assert!(shown(&whole) == audit.shown.entries.len() && (8..=most).contains(&shown(&part)));
    let ids = values(&part, "id");
    for href in values(&part, "href") {
        assert!(ids.contains(&href.strip_prefix('#').unwrap()), "{href}");
    }
    // The balance, the claims, the runs and the flows of the quarter have fewer rows than 100.
    let section = |page: &str, id: &str| {
        let begin = page.find(&format!("<section id=\"{id}\"")).unwrap();
        page[begin..].split("</section>").next().unwrap().matches("<tr>").count()
    };
    for id in ["balance", "claims", "runs", "flows", "decisions", "members"] {
        assert_eq!(section(&part, id), section(&whole, id), "{id}");
    }
    // Of a table with more rows, the first and the last; of a figure with more entries, ten.
    let tight = page_of(&audit, Lang::En, 4).unwrap();
    assert!(tight.contains("rows, the first and the last of each table"), "it is said");
    assert!(part.contains(", among them"), "it is said");
    assert!(shown(&tight) <= 4);
}

#[test]
fn a_page_that_shows_less_has_as_many_entries_as_it_may_whichever_section_leads_to_them() {
    let audit = read(&quarter::played(quarter::LAST).export(0));
    let part = |most| page_of(&audit, Lang::En, most).unwrap();
    let shown = |page: &str| page.matches("<article ").count();
    let led = shown(&part(audit.shown.entries.len() - 1));
    assert!(led > 40, "{led}");
    for most in [10, 11, 12, 40, led] {
        assert_eq!(shown(&part(most)), most);
    }
    assert_eq!(part(12), part(12));
    // Each section that names entries has some of them before any has many.
    let few = part(12);
    let sections =
        few.split("<section id=\"").skip(1).filter_map(|it| it.split("</section>").next());
    let leading = sections.filter(|section| section.contains("href=\"#e-")).count();
    assert!(leading >= 4, "{leading}");
}

#[test]
fn what_a_french_page_says_of_a_void_entry_is_french() {
    let mut made = quarter::unsettled(quarter::FILE, quarter::JANUARY);
    let expense = Act::Expense(Expense {
        account: Code::try_from("628000").unwrap(),
        payee: Code::try_from("x").unwrap(),
        amount: Quantity::new(149_901).unwrap(),
        date: talea_tools::amount::day("2026-02-03").unwrap(),
        decision: None,
    });
    let entry = made.sign(0, &expense, None);
    made.place(&entry, &[0, 1, 2]);
    quarter::settle(&mut made);
    let audit = read(&made.export(0));
    let french = page(&audit, Lang::Fr).unwrap();
    let told = "règle 71 : la banque contient 1\u{202f}499,00 EUR";
    // Among the checks' findings, in the statement, and at the entry.
    assert_eq!(french.matches(told).count(), 3);
    assert!(!french.contains("rule 71"));
    assert_eq!(
        page(&audit, Lang::En).unwrap().matches("rule 71: the bank holds 1499.00 EUR").count(),
        3
    );
}

#[test]
fn the_page_of_a_charter_that_founds_nothing_has_no_link_that_leads_nowhere() {
    let members: Vec<SecretKey> = (1..=3).map(|n| SecretKey::from_seed(&[n; 32])).collect();
    let nodes: Vec<NodeKey> = roster_keys().iter().map(SecretKey::node).collect();
    // One of three is no quorum: rule 33.
    let charter = charter(&members.iter().collect::<Vec<_>>(), &nodes, 0, 1);
    let zero = EntryId::ZERO;
    let header = header(zero, members[0].device(), 0, zero, zero);
    let entry = sign(&members[0], &header, &Act::Charter(Box::new(charter))).unwrap();
    let audit = read(&Handmade::of(members, vec![entry], Vec::new()).export(0));
    assert!(audit.sum.is_none());
    let page = page(&audit, Lang::En).unwrap();
    let ids = values(&page, "id");
    for href in values(&page, "href") {
        assert!(ids.contains(&href.strip_prefix('#').expect("within the page")), "{href}");
    }
}

#[test]
fn nothing_that_members_write_is_anything_but_text_on_the_page() {
    let attack = "<script>alert(1)</script>\\\" onload=x &amp; \u{202e}";
    let hostile =
        quarter::FILE.replace("\"memo\": \"hosting\"", &format!("\"memo\": \"{attack}\""));
    let audit = read(&quarter::played_from(&hostile, quarter::JANUARY).export(0));
    let page = page(&audit, Lang::Fr).unwrap();
    assert!(
        !page.contains("<script") && !page.contains("onload=x\"") && !page.contains('\u{202e}')
    );
    assert!(page.contains("&#60;script&#62;alert(1)"), "it is shown");
}

/// Entries of the `back` part of an explanation.
fn back(audit: &Audit, subject: &str) -> Vec<EntryId> {
    let report = explain(audit, subject).expect(subject);
    let steps = report.json["back"].as_array().unwrap().clone();
    steps.iter().map(|step| step["entry"].as_str().unwrap().parse().unwrap()).collect()
}

#[test]
fn a_payout_leads_back_to_clients_work_attesters_and_the_clauses_in_force() {
    let audit = read(&quarter::played(quarter::LAST).export(0));
    let kinds = |subject: &str| -> BTreeSet<String> {
        let entries = back(&audit, subject).into_iter().map(|id| &audit.shown.entries[&id]);
        entries.map(talea_tools::verify::report::act_name).collect()
    };
    let payout = kinds("2026-01/alba");
    for kind in ["distribute", "contribution", "attest", "income", "invoice", "expense"] {
        assert!(payout.contains(kind), "{kind} of {payout:?}");
    }
    let report = explain(&audit, "2026-01/alba").unwrap();
    let clauses = report.json["clauses"].to_string();
    assert!(clauses.contains("2000 / 1000 / 7500"), "the care share that P1 set: {clauses}");
    // Forward from a contribution: the run that took it in, and its payment.
    let work = explain(&audit, "alba/10").unwrap().json["forward"].to_string();
    let run = audit.sum.as_ref().unwrap().state.runs().iter().next().unwrap();
    let payment = run.1.payment.as_ref().unwrap().id;
    assert!(work.contains(&run.0.to_string()) && work.contains(&payment.to_string()));
    assert!(kinds("bruno").contains("charter"), "a founder's rights");
    assert!(kinds("512000").contains("income"), "the bank's balance");
    assert!(explain(&audit, "nobody").is_none());
}
