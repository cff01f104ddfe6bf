//! `talea forks` and `talea heal`: what the nodes' logs show of a chain that was written twice in one
//! place, and the register entry that ends the quarrel.

use std::path::Path;

use serde_json::{Value, json};
use talea_ledger::heal::{HealFault, logs_needed};
use talea_protocol::act::Act;
use talea_protocol::hash::EntryId;
use talea_protocol::key::NodeKey;
use talea_tools::book::Book;
use talea_tools::healing::{self, Branch, Wound};

use crate::cli::Common;
use crate::desk::{self, Desk};
use crate::devices;
use crate::failure::{Failure, Outcome};
use crate::out::{self, DIM, Form, styled};

/// `talea forks`.
pub fn list(common: &Common, save: Option<&str>, file: Option<&Path>) -> Outcome {
    let desk = Desk::signing(common)?;
    let wounds = ask(common, &desk)?;
    if let Some((device, file)) = save.zip(file) {
        let wound = of(&desk.book, &wounds, device)?;
        let proof = wound.proof().ok_or_else(none)?;
        std::fs::write(file, proof.file()).map_err(|error| Failure::file(file, &error))?;
        out::note(&format!("{}: the proof; `talea-verify fork` checks it", file.display()));
    }
    let values: Vec<Value> = wounds.iter().map(|wound| value(&desk.book, wound)).collect();
    desk::form(common).give(&values, |_| {
        if wounds.is_empty() {
            out::say("No node tells of an open fork.");
        }
        for wound in &wounds {
            tell(&desk.book, wound).iter().for_each(|line| out::say(line));
        }
    });
    Ok(())
}

/// `talea heal`.
pub fn heal(common: &Common, device: &str) -> Outcome {
    let mut desk = Desk::signing(common)?;
    let wounds = ask(common, &desk)?;
    let wound = of(&desk.book, &wounds, device)?;
    if desk::form(common) == Form::Text {
        tell(&desk.book, wound).iter().for_each(|line| out::note(line));
    }
    let heal = wound.heal(desk.book.register()).map_err(|fault| unhealable(&fault))?;
    desk.state(&Act::Heal(heal), None)
}

/// What all nodes tell; who does not answer, or shows nothing for it, is named.
fn ask(common: &Common, desk: &Desk<'_>) -> Outcome<Vec<Wound>> {
    if common.offline {
        let what = "open forks are asked of the nodes";
        return Err(Failure::usage(what, "leave --offline out"));
    }
    let (mut rows, mut failures, mut heard) = (Vec::new(), Vec::new(), 0_usize);
    for (_, answer) in desk.ask_forks() {
        match answer {
            Ok(told) => {
                heard += 1;
                rows.extend(told);
            }
            Err(failure) => failures.push(failure),
        }
    }
    for failure in &failures {
        out::note(&styled(DIM, &failure.to_string()));
    }
    if heard == 0 {
        return Err(Failure::of_all(failures).unwrap_or_else(crate::standing::no_node));
    }
    let (wounds, unshown) = healing::wounds(desk.book.register(), rows);
    for fault in unshown {
        out::note(&styled(DIM, &format!("left out: {fault}")));
    }
    Ok(wounds)
}

/// The lowest place of a device that is forked.
fn of<'w>(book: &Book, wounds: &'w [Wound], device: &str) -> Outcome<&'w Wound> {
    let (number, _) = devices::find(book, device)?;
    wounds.iter().find(|wound| wound.device == number).ok_or_else(none)
}

fn none() -> Failure {
    Failure::usage(
        "no node tells of an open fork of this device",
        "there is nothing to heal: see `talea forks`, and `talea device list` for how it stands",
    )
}

fn unhealable(fault: &HealFault) -> Failure {
    let next = match fault {
        HealFault::Open { .. } => {
            "wait until the other nodes answer; if all have, nothing can tell which branch goes on: \
             what is settled stays, and the member goes on with another device (`talea device request`)"
        }
        _ => "run `talea fetch`, and see `talea forks`",
    };
    Failure::rule(fault.to_string(), next)
}

/// A wound in words: each branch, who holds it, and whether it is dead.
pub fn tell(book: &Book, wound: &Wound) -> Vec<String> {
    let register = book.register();
    let record = register.record(wound.device);
    let whose = record.map_or_else(String::new, |record| book.handle(record.member));
    let mut lines = vec![format!(
        "device {} of {whose} signed twice for its place {}; {} logs show their leaf",
        wound.device,
        wound.seq,
        wound.logs()
    )];
    let needed = logs_needed(register.roster());
    lines.extend(wound.branches(register).iter().map(|branch| branch_line(branch, needed)));
    lines.push(match wound.heal(register) {
        Ok(heal) => match heal.adopt {
            Some(id) => format!("  it can be healed: {} goes on", short(&id)),
            None => "  it can be healed: all branches are dead, the chain ends before this place"
                .to_owned(),
        },
        Err(fault) => format!("  it cannot be healed: {fault}"),
    });
    lines
}

fn branch_line(branch: &Branch, needed: usize) -> String {
    let nodes = |nodes: &[NodeKey]| {
        let name = |node: &NodeKey| node.to_string().get(..8).unwrap_or_default().to_owned();
        nodes.iter().map(name).collect::<Vec<_>>().join(", ")
    };
    let held = match branch.held_by.as_slice() {
        [] => "held by no log".to_owned(),
        some => format!("held by {}", nodes(some)),
    };
    let against = branch.against.len();
    let dead = match branch.dead {
        true => format!("dead: {against} logs hold another or none, {needed} are enough"),
        false => format!("not dead: {against} logs hold another or none, {needed} would be enough"),
    };
    format!("  {}  {held}; {dead}", short(&branch.id))
}

fn short(id: &EntryId) -> String {
    id.to_string().get(..12).unwrap_or_default().to_owned()
}

fn value(book: &Book, wound: &Wound) -> Value {
    let register = book.register();
    let outcome = match wound.heal(register) {
        Ok(heal) => json!({ "healable": true, "adopt": heal.adopt }),
        Err(fault) => json!({ "healable": false, "why": fault.to_string() }),
    };
    json!({
        "device": wound.device,
        "seq": wound.seq,
        "logs": wound.logs(),
        "branches": wound.branches(register),
        "heal": outcome,
    })
}
