//! What the settled entries add up to: the ledger's views, in pages.

use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Serialize;
use serde_json::{Value, json};
use talea_ledger::register::Register;
use talea_ledger::state::State as Ledger;
use talea_ledger::view;

use super::caller::Caller;
use super::entries::Page;
use super::problem::Problem;
use super::{Shared, id, json as answer};

/// A page of a report, and where the next one begins.
type Part = (Value, Option<u64>);
/// What a report is made from.
type Report = fn(&Register, &Ledger, &Page) -> Part;

/// The reports by the name in their path.
pub const REPORTS: [(&str, Report); 13] = [
    ("accounts", accounts),
    ("members", members),
    ("contributions", contributions),
    ("decisions", decisions),
    ("runs", runs),
    ("flows", flows),
    ("journal", journal),
    ("purses", purses),
    ("resources", resources),
    ("intents", intents),
    ("agreements", agreements),
    ("commitments", commitments),
    ("partners", partners),
];

fn accounts(register: &Register, state: &Ledger, _: &Page) -> Part {
    (value(&view::accounts::accounts(register.charter(), state.books())), None)
}

fn members(register: &Register, state: &Ledger, page: &Page) -> Part {
    cut(&view::members::members(register, state), page)
}

fn contributions(_: &Register, state: &Ledger, page: &Page) -> Part {
    cut(&view::contributions::contributions(state), page)
}

fn decisions(register: &Register, state: &Ledger, page: &Page) -> Part {
    cut(&view::decisions::decisions(register, state), page)
}

fn runs(_: &Register, state: &Ledger, page: &Page) -> Part {
    cut(&view::runs::runs(state), page)
}

fn flows(_: &Register, state: &Ledger, page: &Page) -> Part {
    cut(&view::runs::flows(&view::runs::runs(state)), page)
}

fn journal(register: &Register, state: &Ledger, page: &Page) -> Part {
    cut(&view::journal::journal(register, state), page)
}

fn purses(register: &Register, state: &Ledger, page: &Page) -> Part {
    cut(&view::purses::purses(register, state), page)
}

fn resources(_: &Register, state: &Ledger, page: &Page) -> Part {
    cut(&view::plans::resources(state), page)
}

fn intents(_: &Register, state: &Ledger, page: &Page) -> Part {
    cut(&view::plans::intents(state), page)
}

fn agreements(_: &Register, state: &Ledger, page: &Page) -> Part {
    cut(&view::plans::agreements(state), page)
}

fn commitments(_: &Register, state: &Ledger, page: &Page) -> Part {
    cut(&view::plans::commitments(state), page)
}

fn partners(_: &Register, state: &Ledger, page: &Page) -> Part {
    cut(&view::partners::partners(state), page)
}

fn value<T: Serialize + ?Sized>(view: &T) -> Value {
    serde_json::to_value(view).unwrap_or_default()
}

/// A page of a list: only what is shown becomes JSON, while the writer waits.
fn cut<T: Serialize>(rows: &[T], page: &Page) -> Part {
    let begin = usize::try_from(page.from()).unwrap_or(usize::MAX).min(rows.len());
    let end = begin.saturating_add(page.limit()).min(rows.len());
    let next = (end < rows.len()).then(|| u64::try_from(end).unwrap_or(u64::MAX));
    (value(rows.get(begin..end).unwrap_or_default()), next)
}

/// Keeps a page of a list; where the next one begins.
fn keep<T>(rows: &mut Vec<T>, page: &Page) -> Option<u64> {
    let begin = usize::try_from(page.from()).unwrap_or(usize::MAX).min(rows.len());
    let end = begin.saturating_add(page.limit()).min(rows.len());
    let next = (end < rows.len()).then(|| u64::try_from(end).unwrap_or(u64::MAX));
    rows.truncate(end);
    rows.drain(..begin);
    next
}

/// `GET …/state/{report}`: a list comes in pages, anything else whole.
pub async fn report(
    State(app): State<Shared>,
    caller: Caller,
    Path((cooperative, name)): Path<(String, String)>,
    Query(page): Query<Page>,
) -> Result<Response, Problem> {
    let cooperative = id(&cooperative)?;
    let found = REPORTS.iter().find(|(known, _)| *known == name);
    let (name, report) =
        *found.ok_or_else(|| Problem::not_found(format!("there is no report {name:?}")))?;
    let answered = app.look(cooperative, caller, move |hosted| {
        let root = hosted.replica.state_mut().root();
        let settled = hosted.replica.settled();
        let Some(register) = hosted.replica.register() else {
            return Err(Problem::no_charter(&cooperative));
        };
        let (part, next) = report(register, hosted.replica.state(), &page);
        Ok(json!({ "state": root, "settled": settled, name: part, "next": next }))
    });
    Ok(answer(&answered.await?))
}

/// `GET …/state/members/{member}`: one member's statement. Its lists of entries come in pages.
pub async fn statement(
    State(app): State<Shared>,
    caller: Caller,
    Path((cooperative, member)): Path<(String, u32)>,
    Query(page): Query<Page>,
) -> Result<Response, Problem> {
    let cooperative = id(&cooperative)?;
    let statement = app.look(cooperative, caller, move |hosted| {
        let root = hosted.replica.state_mut().root();
        let settled = hosted.replica.settled();
        let number = talea_protocol::charter::Member(member);
        let statement = hosted.replica.register().and_then(|register| {
            view::members::statement(register, hosted.replica.state(), number)
        });
        let mut statement =
            statement.ok_or_else(|| Problem::not_found(format!("there is no member {member}")))?;
        let given = keep(&mut statement.contributions, &page);
        let next = given.max(keep(&mut statement.uncounted, &page));
        let statement = value(&statement);
        Ok(json!({ "state": root, "settled": settled, "statement": statement, "next": next }))
    });
    Ok(answer(&statement.await?))
}
