//! `talea succeed`: the register goes on with another registrar, behind what the nodes hold of it.

use talea_protocol::act::Act;
use talea_protocol::entry::Signed;
use talea_protocol::hash::EntryId;
use talea_protocol::recovery::{Call, Succeed};
use talea_tools::succession::{self, Report, Unready};
use talea_tools::wallet::Server;
use talea_tools::word::{self, Calling};

use crate::cli::Common;
use crate::desk::Desk;
use crate::devices::list_of;
use crate::failure::{Failure, Outcome};
use crate::going::has_called;
use crate::out::{self, DIM, styled};
use crate::people::{me, slip_failure};

/// `talea succeed`. Whoever goes on has called, too, so that as many calls are at the nodes as there
/// are words.
pub fn succeed(common: &Common, slips: &[String]) -> Outcome {
    let mut desk = Desk::signing(common)?;
    let Some((call, act)) = words(&desk, slips)? else { return Ok(()) };
    if let Err(void) = desk.book.register().examine(&act) {
        return Err(Failure::rule(
            void.to_string(),
            "have more members run `talea call`, and give all their slips",
        ));
    }
    if common.offline {
        return Err(Failure::usage(
            "how far the register has come is asked of the nodes",
            "leave --offline out",
        ));
    }
    if !has_called(&desk.book, call.successor, call) {
        out::note("First your own call, by which the nodes stand still:");
        if desk.declare(&Act::Call(call), None)?.is_none() && !common.dry_run {
            return Ok(());
        }
    }
    match go_behind(&mut desk, call) {
        Err(failure) if common.dry_run => out::note(&styled(DIM, &failure.to_string())),
        done => done?,
    }
    desk.state(&act, None)
}

/// What the slips call for, and the act that they make with one's own word.
fn words(desk: &Desk<'_>, slips: &[String]) -> Outcome<Option<(Call, Act)>> {
    let cooperative = desk.known.cooperative;
    let mut calls = Vec::new();
    for slip in slips {
        calls.push(Calling::parse(slip, cooperative).map_err(slip_failure)?);
    }
    let Some(call) = calls.first().map(|first| first.call) else { return Ok(None) };
    if calls.iter().any(|it| it.call != call) {
        return Err(Failure::usage(
            "the slips call for different successors, or from different register entries",
            "have those who call run `talea fetch` and `talea call` again, one after another",
        ));
    }
    if me(desk)? != call.successor {
        return Err(Failure::rule(
            format!(
                "rule 16: the members call for {}, not for you",
                desk.book.handle(call.successor)
            ),
            "the one who is called for goes on",
        ));
    }
    calls.push(Calling::new(cooperative, call, desk.key()?));
    let words = list_of(word::ordered(calls.into_iter().map(|it| it.word).collect()))?;
    Ok(Some((call, Act::Succeed(Succeed { call, words }))))
}

/// Takes over what the old registrar has numbered and the nodes hold, settled or not.
fn go_behind(desk: &mut Desk<'_>, call: Call) -> Outcome {
    let registers = desk.ask_registers(call)?;
    let report = |(server, register): &(Server, Vec<Signed>)| Report {
        node: server.node,
        line: register.iter().map(|entry| entry.id()).collect(),
    };
    let reports: Vec<Report> = registers.iter().map(report).collect();
    let unready = |it: Unready| Failure::rule(it.to_string(), it.hint());
    let line = succession::ground(desk.book.register().roster(), &reports).map_err(unready)?;
    let place = reports.iter().position(|it| it.line == line);
    let Some((server, register)) = place.and_then(|place| registers.get(place)) else {
        return Ok(());
    };
    let new = desk.adopt(server, register)?;
    if new > 0 {
        out::note(&format!(
            "The register goes on behind what the old registrar had on its way: {new} not settled yet."
        ));
    }
    let last: EntryId = line.last().copied().unwrap_or(call.at);
    if desk.book.register().head().1 == last {
        return Ok(());
    }
    Err(Failure::node(
        "the last export has another register than the nodes that stand still",
        "run `talea fetch`, then try again; if it stays so, wait until all nodes answer",
    ))
}
