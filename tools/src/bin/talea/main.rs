//! talea: the members' wallet, and what founds and runs a cooperative.
//!
//! The library beside this program knows files, bytes and rules; the modules here know the
//! terminal, the clock and the network. Results go to standard output, all else to standard error.

mod acts;
mod attached;
mod chain;
mod cli;
mod clock;
mod demo;
mod desk;
mod devices;
mod failure;
mod forks;
mod founding;
mod going;
mod guardians;
mod heads;
mod http;
mod import;
mod lists;
mod nodes;
mod out;
mod partner;
mod people;
mod personal;
mod roster;
mod secret;
mod socket;
mod source;
mod standing;
mod submit;
mod successor;

use std::process::ExitCode;

use clap::FromArgMatches;

use cli::{Cli, Command, Common, Council, Money};
use failure::Outcome;

fn main() -> ExitCode {
    let parsed = cli::command().try_get_matches();
    let parsed = parsed.and_then(|matches| Cli::from_arg_matches(&matches));
    let Cli { common, command } = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are what was asked for; the rest is a usage error: 1, not clap's 2.
            let _ = error.print();
            return ExitCode::from(u8::from(error.use_stderr()));
        }
    };
    match run(&common, &command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            desk::form(&common).fail(&failure);
            failure.exit()
        }
    }
}

fn run(common: &Common, command: &Command) -> Outcome {
    match command {
        Command::Keys(command) => people::keys(common, command),
        Command::Charter(command) => founding::charter(common, command),
        Command::Found { file, nodes } => founding::found(common, file, nodes),
        Command::Join { id, name, nodes } => founding::join(common, id, name.as_deref(), nodes),
        Command::Invite => founding::invite(common),
        Command::Cooperatives => founding::cooperatives(common),
        Command::Request { handle, name, kind, of } => {
            people::request(common, handle, name, *kind, of.as_deref())
        }
        Command::Approve { request } => people::approve(common, request),
        Command::Admit { request, college, stage, approvals } => {
            people::admit(common, request, college, stage, approvals)
        }
        Command::Money(Money::Shares { amount, back, reference, date }) => {
            people::shares(common, amount, *back, (reference, date.as_deref()))
        }
        Command::Money(Money::Subscribe { slip }) => people::subscribe(common, slip),
        Command::Money(Money::Redeem { slip }) => people::redeem(common, slip),
        Command::Council(Council::Vouch { member, stage, from }) => {
            people::vouch(common, member, stage, from.as_deref())
        }
        Command::Council(Council::Welcome { request, decision }) => {
            people::welcome(common, request, decision.as_deref())
        }
        Command::Partner(command) => partner::run(common, command),
        Command::Attachment(command) => attached::run(common, command),
        Command::Credential(command) => personal::credential(common, command),
        Command::Erasure(command) => personal::erasure(common, command),
        Command::Device(command) => devices::run(common, command),
        Command::Phrase(command) => guardians::phrase(common, command),
        Command::Guardians(command) => guardians::run(common, command),
        Command::Leave => going::leave(common),
        Command::Depart { slip } => going::depart(common, slip),
        Command::Remove { member, decision } => going::remove(common, member, decision.as_deref()),
        Command::HandOver { office, member, decision } => {
            going::hand_over(common, office, member, decision.as_deref())
        }
        Command::Reform { decision } => roster::reform(common, decision.as_deref()),
        Command::Call { successor } => going::call(common, successor),
        Command::Succeed { calls } => successor::succeed(common, calls),
        Command::Forks { save, file } => forks::list(common, save.as_deref(), file.as_deref()),
        Command::Heal { device } => forks::heal(common, device),
        Command::Fetch => lists::fetch(common),
        Command::CheckHead => heads::check_head(common),
        Command::CatchUp => heads::catch_up(common),
        Command::Outbox => lists::outbox(common),
        Command::Send => lists::send(common),
        Command::Log { mine, last } => lists::log(common, *mine, *last),
        Command::Show { entry, file } => lists::show(common, entry, file.as_deref()),
        Command::Submit { file, payload, nodes } => {
            submit::run(common, file, payload.as_deref(), nodes)
        }
        Command::Export { output, from, member, attachments } => {
            let key = lists::export(common, output, from.as_deref(), member.as_deref())?;
            if *attachments { attached::beside(common, output, key) } else { Ok(()) }
        }
        Command::Import(import) => import::run(common, import),
        Command::Node(command) => nodes::run(common, command),
        Command::Demo(demo) => demo::run(common, demo),
        Command::Add(_)
        | Command::Giving(_)
        | Command::Propose(_)
        | Command::Council(_)
        | Command::Money(_)
        | Command::Decide { .. }
        | Command::Erase { .. }
        | Command::Mark => acts::run(common, command),
    }
}
