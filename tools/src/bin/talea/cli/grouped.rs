//! The commands in groups, by what they are for. Each command stands in exactly one group.

use std::fmt::Write;

use clap::CommandFactory;

use super::Cli;

/// The groups, in the order in which a cooperative meets them.
const GROUPS: [(&str, &[&str]); 13] = [
    ("Begin", &["keys", "charter", "found", "invite", "join", "cooperatives", "demo"]),
    ("Members", &["request", "approve", "admit", "welcome", "vouch", "advance"]),
    ("Give and attest", &["add", "attest", "dispute", "withdraw", "correct", "comment"]),
    ("Offer, promise, use", &["offer", "ask", "agreement", "agree", "commit", "draw"]),
    ("Decide", &["propose", "vote", "rank", "delegate", "decide"]),
    ("Money", &["invoice", "income", "expense", "distribute", "redirect", "pay", "close"]),
    ("Shares and the result", &["shares", "subscribe", "redeem", "pay-out", "allocate"]),
    ("Bank, wallets, other books", &["reconcile", "open", "transfer", "partner"]),
    ("Persons", &["credential", "erasure", "erase"]),
    ("Look", &["outbox", "log", "show", "attachment", "fetch", "export"]),
    ("Lost, stolen, restored", &["device", "phrase", "guardians", "check-head", "catch-up"]),
    (
        "Go, and hand on",
        &["leave", "depart", "remove", "hand-over", "reform", "call", "succeed", "forks", "heal"],
    ),
    ("Nodes and files", &["send", "submit", "import", "node", "mark", "help"]),
];

/// The command line, whose help lists the commands in groups.
pub fn command() -> clap::Command {
    let mut command = Cli::command();
    command.build();
    let mut text = String::new();
    for (title, names) in GROUPS {
        let _ = writeln!(text, "{title}:");
        for name in names {
            let about = command.find_subcommand(name).and_then(clap::Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(text, "  {name:<14}{about}");
        }
        text.push('\n');
    }
    Cli::command().after_help(text.trim_end().to_owned()).help_template(
        "{about-with-newline}\n{usage-heading} {usage}\n\n{after-help}\n\nOptions:\n{options}",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_stands_in_one_group_and_every_group_has_commands_alone() {
        let mut command = Cli::command();
        command.build();
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        let mut known: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        grouped.sort_unstable();
        known.sort_unstable();
        assert_eq!(grouped, known);
    }
}
