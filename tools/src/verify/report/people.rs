//! Members: the list, one member's statement, and what they decided together.

use talea_ledger::view::contributions::{Given, contributions};
use talea_ledger::view::decisions::{Question, decisions};
use talea_ledger::view::members::{MemberRow, Part, Uncounted, members, statement};
use talea_protocol::act::{Line, Stream};
use talea_protocol::charter::Member;

use super::entries::standing_cell;
use super::{Cell, Report, count, json, optional, sheet, text, word, yes};
use crate::table::Align::{self, Left, Right};
use crate::verify::Sum;
use crate::verify::text::handle;

/// Every member in a line.
#[must_use]
pub fn member_list(sum: &Sum) -> Report {
    let view = members(&sum.register, &sum.state);
    let exponent = sum.register.charter().exponent;
    let row = |row: &MemberRow| {
        let entries: u64 = row.devices.iter().map(|device| u64::from(device.length)).sum();
        vec![
            text(row.member.0),
            text(handle(sum, row.member)),
            word(&row.kind),
            optional(row.college.as_ref()),
            optional(row.stage.as_ref()),
            yes(row.binding_vote),
            count(row.devices.len()),
            Cell::Number(i128::from(entries), 0),
            Cell::Number(row.shares, exponent),
        ]
    };
    let columns = [
        ("col-number", Right),
        ("col-member", Left),
        ("col-kind", Left),
        ("col-college", Left),
        ("col-stage", Left),
        ("col-vote-binds", Left),
        ("col-devices", Right),
        ("col-entries", Right),
        ("col-shares", Right),
    ];
    let rows = view.iter().map(row).collect();
    Report {
        json: json(&view),
        tables: vec![sheet(("title-members", Cell::Empty), &columns, rows)],
    }
}

/// One member's statement.
#[must_use]
pub fn member(sum: &Sum, member: Member) -> Option<Report> {
    let view = statement(&sum.register, &sum.state, member)?;
    let exponent = sum.register.charter().exponent;
    let claims = &view.claims;
    let facts = [
        ("col-member", text(handle(sum, member))),
        ("col-college", optional(view.member.college.as_ref())),
        ("col-stage", optional(view.member.stage.as_ref())),
        ("col-shares", Cell::Number(view.member.shares, exponent)),
        ("word-livelihood-claim", Cell::Number(claims.livelihood, 2)),
        ("word-love-claim", Cell::Number(claims.love, 2)),
        ("word-care-claim", Cell::Number(claims.care, 0)),
        ("word-payable", Cell::Number(view.payable, exponent)),
    ];
    let facts = facts.map(|(what, value)| vec![Cell::Word(what.to_owned()), value]).to_vec();
    let given = view.contributions.iter().map(|given| given_row(sum, given)).collect();
    let part = |part: &Part| {
        let line = |f: fn(&Line) -> u64| {
            part.line.map_or(Cell::Empty, |it| Cell::Number(i128::from(f(&it.line)), exponent))
        };
        let money = |amount: i128| Cell::Number(amount, exponent);
        vec![
            Cell::Month(part.period),
            line(|line| line.livelihood),
            line(|line| line.love),
            line(|line| line.care),
            part.line.map_or(Cell::Empty, |line| money(i128::from(line.total))),
            part.paid.map_or(Cell::Empty, |paid| money(i128::from(paid))),
            Cell::Entry(part.run, String::new()),
        ]
    };
    let parts = view.runs.iter().map(part).collect();
    let uncounted = |it: &Uncounted| {
        vec![text(it.seq), Cell::Entry(it.id, String::new()), standing_cell(sum, &it.id)]
    };
    let uncounted = view.uncounted.iter().map(uncounted).collect();
    let name = || text(handle(sum, member));
    let facts_columns = [("col-what", Left), ("col-value", Right)];
    let why_columns = [("col-place", Right), ("col-entry", Left), ("col-why", Left)];
    let tables = vec![
        sheet(("title-statement", name()), &facts_columns, facts),
        sheet(("title-contributions-of", name()), &GIVEN, given),
        sheet(("title-runs-of", name()), &RUNS, parts),
        sheet(("title-uncounted-of", name()), &why_columns, uncounted),
    ];
    Some(Report { json: json(&view), tables })
}

const RUNS: [(&str, Align); 7] = [
    ("col-month", Left),
    ("col-livelihood", Right),
    ("col-love", Right),
    ("col-care", Right),
    ("col-total", Right),
    ("col-paid", Right),
    ("col-entry", Left),
];

const GIVEN: [(&str, Align); 10] = [
    ("col-day", Left),
    ("col-member", Left),
    ("col-stream", Left),
    ("col-task", Left),
    ("col-quantity", Right),
    ("col-job", Left),
    ("col-attested-by", Left),
    ("col-livelihood", Right),
    ("col-love-or-care", Right),
    ("col-entry", Left),
];

/// Every contribution that counts.
#[must_use]
pub fn work_list(sum: &Sum) -> Report {
    let view = contributions(&sum.state);
    let rows = view.iter().map(|given| given_row(sum, given)).collect();
    Report { json: json(&view), tables: vec![sheet(("title-work", Cell::Empty), &GIVEN, rows)] }
}

fn given_row(sum: &Sum, given: &Given) -> Vec<Cell> {
    let attested = given.attestations.iter();
    let attested: Vec<String> = attested.map(|it| handle(sum, it.member)).collect();
    let other = match given.act.stream {
        Stream::Care => Cell::Number(i128::from(given.care), 0),
        Stream::Livelihood | Stream::Love => Cell::Number(i128::from(given.love), 2),
    };
    vec![
        Cell::Day(given.act.end),
        text(handle(sum, given.author)),
        word(&given.act.stream),
        text(&given.act.task),
        Cell::Number(i128::from(given.act.quantity.value()), 0),
        optional(given.act.job.as_ref().map(|job| &job.code)),
        text(attested.join(" ")),
        Cell::Number(i128::from(given.livelihood), 2),
        other,
        Cell::Entry(given.id, String::new()),
    ]
}

/// The decision register.
#[must_use]
pub fn decision_register(sum: &Sum) -> Report {
    let view = decisions(&sum.register, &sum.state);
    let columns = [
        ("col-proposal", Left),
        ("col-by", Left),
        ("col-matter", Left),
        ("col-closes", Left),
        ("col-yes", Right),
        ("col-no", Right),
        ("col-took-part", Right),
        ("col-outcome", Left),
        ("col-left-out", Right),
        ("col-decision", Left),
    ];
    let rows = view.iter().map(|question| question_row(sum, question)).collect();
    let tables = vec![sheet(("title-decisions", Cell::Empty), &columns, rows)];
    Report { json: json(&view), tables }
}

fn question_row(sum: &Sum, question: &Question) -> Vec<Cell> {
    let outcome = question.decision.map(|decision| word(&decision.outcome));
    vec![
        Cell::Entry(question.id, String::new()),
        text(handle(sum, question.author)),
        word(&question.matter),
        Cell::Time(question.closes),
        Cell::Share(question.tally.yes),
        Cell::Share(question.tally.no),
        Cell::Share(question.tally.participation),
        outcome.unwrap_or_else(|| Cell::Word("word-open".to_owned())),
        count(question.outside.len()),
        question.decision.map_or(Cell::Empty, |it| Cell::Entries(vec![it.id])),
    ]
}
