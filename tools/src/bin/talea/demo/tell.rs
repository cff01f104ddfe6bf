//! What the demonstration shows of the quarter: decisions, runs, balances and payouts.
//!
//! Everything is read from a book that was made from a node's export.

use talea_ledger::account::{Account, Unit};
use talea_ledger::view::accounts::claim;
use talea_ledger::view::decisions::decisions;
use talea_ledger::view::runs::runs;
use talea_protocol::charter::Member;
use talea_tools::amount::{decimal, hours, show_month};
use talea_tools::book::Book;
use talea_tools::figures::Figure;
use talea_tools::preview::percent;
use talea_tools::table::{Align, money, table};

use crate::out::{self, BAD, GOOD, styled};

/// Every decision, with its percentages and its ballots.
pub fn decided(book: &Book) {
    for question in decisions(book.register(), book.state()) {
        let Some(decision) = question.decision else { continue };
        let tally = &question.tally;
        let outcome = format!("{:?}", decision.outcome).to_lowercase();
        let head = format!("  {}  {}", book.label(&question.id), styled(GOOD, &outcome));
        if tally.blocks > 0 {
            // What credits decide after a block is counted in hundredths of them.
            let [yes, no] = [tally.yes, tally.no].map(|credits| money(i128::from(credits), 2));
            out::say(&format!("{head}: blocked, so credits decide: {yes} for, {no} against"));
            continue;
        }
        out::say(&format!(
            "{head}: {} for, {} against, participation {}",
            percent(tally.yes),
            percent(tally.no),
            percent(tally.participation)
        ));
        let needs = decimal(i64::from(question.threshold.value()), 2);
        out::say(&format!("           it needs more than {needs} % of the votes for or against"));
        let columns = [
            ("college", Align::Left),
            ("weight", Align::Right),
            ("yes", Align::Right),
            ("no", Align::Right),
            ("abstain", Align::Right),
            ("of", Align::Right),
        ];
        let colleges = &book.register().charter().colleges;
        let rows = colleges.iter().zip(&tally.colleges).map(|(college, ballots)| {
            let weight = format!("{} %", decimal(i64::from(college.weight.value()), 2));
            let counts = [ballots.yes, ballots.no, ballots.abstain, ballots.eligible];
            let mut row = vec![college.code.to_string(), weight];
            row.extend(counts.map(|count| count.to_string()));
            row
        });
        say_table(&table(&columns, rows));
        for vote in question.votes.iter().filter(|vote| !vote.binding) {
            if let Some(choice) = vote.choice {
                let choice = format!("{choice:?}").to_lowercase();
                out::say(&format!(
                    "  {} says {choice}: shown, not counted",
                    book.name(vote.member)
                ));
            }
        }
    }
}

/// Every run, line by line.
pub fn distributed(book: &Book) {
    let places = book.register().charter().exponent;
    for run in runs(book.state()) {
        let t = run.totals;
        out::say(&format!(
            "  {}: received {}, spent {}, retained {}, paid to members {}, carried {}",
            show_month(run.period),
            decimal(t.receipts, places),
            decimal(t.expenses, places),
            decimal(t.retained, places),
            decimal(t.paid, places),
            decimal(t.carried, places)
        ));
        let columns = [
            ("member", Align::Left),
            ("livelihood", Align::Right),
            ("love", Align::Right),
            ("care", Align::Right),
            ("total", Align::Right),
        ];
        let part = |amount: u64| money(i128::from(amount), places);
        let mut rows: Vec<Vec<String>> = run
            .lines
            .iter()
            .map(|line| {
                let parts = [line.line.livelihood, line.line.love, line.line.care, line.total];
                let mut row = vec![book.name(line.line.member)];
                row.extend(parts.map(part));
                row
            })
            .collect();
        let sum = |of: fn(&talea_protocol::act::Line) -> u64| -> u64 {
            run.lines.iter().map(|line| of(&line.line)).sum()
        };
        rows.push(vec![
            "all".to_owned(),
            part(sum(|line| line.livelihood)),
            part(sum(|line| line.love)),
            part(sum(|line| line.care)),
            part(sum(talea_protocol::act::Line::total)),
        ]);
        say_table(&table(&columns, rows));
        for redirect in &run.redirects {
            let from = book.name(redirect.from);
            let amount = decimal(redirect.amount, places);
            out::say(&format!("  {from} passes {amount} on to {}", book.name(redirect.to)));
        }
    }
}

/// What each member has and is owed, and the cooperative's accounts.
pub fn balances(book: &Book) {
    let places = book.register().charter().exponent;
    let books = book.state().books();
    let columns = [
        ("member", Align::Left),
        ("paid out", Align::Right),
        ("still owed", Align::Right),
        ("shares", Align::Right),
        ("livelihood claim", Align::Right),
        ("love claim", Align::Right),
        ("care to come", Align::Right),
    ];
    let count = u32::try_from(book.register().members().len()).unwrap_or(0);
    let all = runs(book.state());
    let rows = (0..count).map(Member).map(|member| {
        let claims = claim(books, member);
        let payments = all.iter().filter_map(|run| run.payment.as_ref());
        let paid = payments.flat_map(|payment| &payment.paid).filter(|paid| paid.member == member);
        let paid: i64 = paid.map(|paid| paid.amount).sum();
        let credit = |account| money(-books.net(&account, Unit::Money), places);
        vec![
            book.name(member),
            decimal(paid, places),
            credit(Account::Payable(member)),
            credit(Account::Shares(member)),
            money(claims.livelihood, 2),
            money(claims.love, 2),
            hours(u64::try_from(claims.care).unwrap_or(0)),
        ]
    });
    say_table(&table(&columns, rows));
    let bank = money(books.net(&Account::Bank, Unit::Money), places);
    let sums: Vec<String> = Unit::ALL.iter().map(|unit| books.sum(*unit).to_string()).collect();
    out::say(&format!("  bank {bank}; debits less credits, per unit: {}", sums.join(", ")));
}

/// How the figures compare; the first that differ are named.
pub fn compared(figures: &[Figure]) {
    let differing: Vec<&Figure> = figures.iter().filter(|figure| !figure.agrees()).collect();
    if differing.is_empty() {
        out::say(&format!(
            "  {} {} figures, every one as expected, to the cent",
            styled(GOOD, "equal"),
            figures.len()
        ));
        return;
    }
    for figure in differing {
        let expected = figure.expected.map_or_else(|| "nothing".to_owned(), |e| e.to_string());
        out::say(&format!(
            "  {} {}: expected {expected}, found {}",
            styled(BAD, "differs"),
            figure.what,
            figure.found
        ));
    }
}

fn say_table(text: &str) {
    out::say(&out::indented(text.trim_end()));
}
