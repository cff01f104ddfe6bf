//! The second act: a member who wrote twice, a wallet put back from a backup, a stolen telephone, a
//! node whose disk died. Everything is done with the programs that members and operators have.
//!
//! What is told is asked of the nodes before it is said; anything else ends the demonstration.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use talea_protocol::key::DeviceKey;
use talea_tools::heads::Head;
use talea_tools::keyfile;
use talea_tools::play::Play;
use talea_tools::wallet::{Known, Server as Address};

use super::hand::Hand;
use super::stage::{Stage, wait};
use super::{FORKER, chapter, cheats, expect};
use crate::failure::{Failure, Outcome};
use crate::out::{self, DIM, GOOD, styled};

/// Who numbers the register.
const REGISTRAR: &str = "bruno";
/// Whose wallet is put back.
const RESTORED: &str = "farida";
/// Whose telephone is stolen.
const ROBBED: &str = "chloe";
/// Whose entry comes between a node's backup and its loss.
const BETWEEN: &str = "alba";
/// The node whose disk dies.
const LOST: usize = 1;

/// A fork as a node tells of it, as far as it is asked here.
#[derive(Deserialize)]
struct Told {
    device: DeviceKey,
}

/// What a node says of its own logs.
#[derive(Deserialize)]
struct Status {
    behind: Vec<Behind>,
}

#[derive(Deserialize)]
struct Behind {
    reason: String,
}

/// How long a node's log is.
#[derive(Deserialize)]
struct Size {
    log: Log,
}

#[derive(Deserialize)]
struct Log {
    size: u64,
}

/// The wallets of those who act, and what they act on.
pub struct Worst<'a> {
    stage: &'a mut Stage,
    play: &'a Play<'a>,
    folder: &'a Path,
    verify: &'a Path,
    known: Known,
    registrar: Hand,
    /// How many claims were checked.
    checked: usize,
}

impl<'a> Worst<'a> {
    /// The registrar sits down at its wallet.
    pub fn begin(
        stage: &'a mut Stage,
        play: &'a Play<'a>,
        (folder, verify): (&'a Path, &'a Path),
    ) -> Outcome<Self> {
        let address =
            |s: &super::Server| Address { node: s.key(), http: format!("http://{}", s.http()) };
        let known = Known {
            cooperative: stage.cooperative,
            name: play.book().register().charter().name.to_string(),
            nodes: stage.servers.iter().map(address).collect(),
        };
        let registrar = hand(play, folder, &known, REGISTRAR)?;
        Ok(Self { stage, play, folder, verify, known, registrar, checked: 0 })
    }

    /// All of it. Returns how many claims were checked.
    pub fn show(&mut self) -> Outcome<usize> {
        out::say("");
        out::say(&styled(out::HEAD, "When things go wrong"));
        self.healed()?;
        self.restored()?;
        self.stolen()?;
        self.died()?;
        self.accepted()?;
        Ok(self.checked)
    }

    /// Something that is told, and must be so.
    fn claim(&mut self, holds: bool, what: &str) -> Outcome {
        self.checked += 1;
        if holds { Ok(()) } else { Err(untrue(what)) }
    }

    /// Something that becomes so in a while; how long that took.
    fn comes(&mut self, what: &str, so: impl Fn(&Self) -> Outcome<bool>) -> Outcome<Duration> {
        let time = wait(&format!("it is not so that {what}"), || so(self))?;
        self.checked += 1;
        Ok(time)
    }

    /// What is stated is settled.
    fn settles(&mut self, hand: &Hand, arguments: &[&str]) -> Outcome {
        let said = hand.shows(arguments)?;
        let is_settled = said.out.lines().any(|line| line.starts_with("settled"));
        self.claim(is_settled, &format!("`talea {}` is settled", arguments.join(" ")))
    }

    /// What is stated is refused, for this reason.
    fn refused(&mut self, hand: &Hand, arguments: &[&str], because: &str) -> Outcome {
        self.checked += 1;
        hand.is_refused(arguments, because)
    }

    fn hand(&self, name: &str) -> Outcome<Hand> {
        hand(self.play, self.folder, &self.known, name)
    }

    /// The fork of the third cheat is ended.
    fn healed(&mut self) -> Outcome {
        chapter(11, "The chain that was written twice stands still, and is healed");
        let key = self.play.key(FORKER).map(talea_protocol::key::SecretKey::device);
        let device = key.ok_or_else(not_shown)?;
        self.comes("every node has the proof of the fork", |me| {
            let told = me.stage.servers.iter().map(|server| me.forks_of(server, &device));
            Ok(told.collect::<Outcome<Vec<bool>>>()?.iter().all(|told| *told))
        })?;
        out::say(&format!("  Every node has the proof and gives {FORKER}'s chain no new place."));
        let stands = self.head(0, &device)?.frozen.ok_or_else(not_shown)?;
        out::say(&format!("  node a: {} (rule {})", stands.cause, stands.rule));
        self.registrar.shows(&["forks"])?;
        self.registrar.shows(&["heal", FORKER])?;
        self.settled("the heal")?;
        self.comes("every node has the heal", |me| {
            let told = me.stage.servers.iter().map(|server| me.forks_of(server, &device));
            Ok(told.collect::<Outcome<Vec<bool>>>()?.iter().all(|told| !told))
        })?;
        // The wallet takes over the branch that stands, and goes on after it.
        let forker = self.hand(FORKER)?;
        forker.must(&["fetch"])?;
        forker.must(&["catch-up"])?;
        self.settles(&forker, &["add", "care", "1h"])?;
        Ok(())
    }

    /// A wallet is put back.
    fn restored(&mut self) -> Outcome {
        chapter(12, "A wallet is put back from an old backup");
        let farida = self.hand(RESTORED)?;
        let backup = self.folder.join("backup-of-a-wallet");
        copy(&farida.folder, &backup)?;
        out::say(&format!("  {RESTORED} backs her wallet up, and goes on:"));
        self.settles(&farida, &["add", "care", "2h"])?;
        let device = self.device(RESTORED)?;
        let before = self.head(0, &device)?.length;
        remove(&farida.folder)?;
        copy(&backup, &farida.folder)?;
        out::say("  Her telephone falls into the water. On a new one she puts the backup back:");
        self.refused(&farida, &["add", "care", "3h"], "older than what you have signed")?;
        let forked = self.forks_of(self.server(0)?, &device)?;
        self.claim(!forked && self.head(0, &device)?.length == before, "nothing was signed")?;
        out::say("  Nothing was signed: one more statement in that place would have been a fork.");
        farida.shows(&["catch-up"])?;
        self.settles(&farida, &["add", "care", "3h"])?;
        Ok(())
    }

    /// A telephone is stolen.
    fn stolen(&mut self) -> Outcome {
        chapter(13, "A telephone is stolen");
        let phone = self.hand(ROBBED)?;
        let laptop = self.second_device(&phone)?;
        let device = self.device(ROBBED)?;
        let (key, before) = (device.to_string(), self.head(0, &device)?.length);
        out::say("  The telephone is stolen, unlocked. From the laptop it is reported:");
        laptop.typed(&["device", "report", &key]);
        let word = laptop.slip(&["device", "report", &key], "slip")?;
        self.settled("the report")?;
        out::say("  The thief tries to be paid for care, against the wallet's advice:");
        self.refused(&phone, &["add", "care", "8h", "--anyway"], "rule 21")?;
        out::say("  The registrar ends it, at what the nodes hold of its chain:");
        self.registrar.shows(&["device", "revoke", &key, "--word", &word])?;
        self.settled("the revocation")?;
        out::say("  The thief tries again:");
        self.refused(&phone, &["send"], "rule 22")?;
        for place in 0..self.stage.servers.len() {
            let held = self.head(place, &device)?.length;
            self.claim(held == before, "no node holds what the thief signed")?;
        }
        out::say(&format!("  No node holds anything of it. {ROBBED} goes on with the laptop:"));
        self.settles(&laptop, &["add", "care", "1h"])
    }

    /// Another device of a member: asked for by itself, approved by the first, enrolled.
    fn second_device(&mut self, phone: &Hand) -> Outcome<Hand> {
        let laptop = Hand::new(self.folder, "laptop", &keyfile::fresh()?, &self.known)?;
        let request = laptop.slip(&["device", "request", "laptop"], "slip")?;
        let approval = phone.slip(&["device", "approve", &request], "slip")?;
        out::say(&format!("  {ROBBED} has a second device; the registrar enrols it:"));
        self.registrar.shows(&["device", "enrol", &request, "--approval", &approval])?;
        self.settled("the enrolment")?;
        laptop.must(&["fetch"])?;
        Ok(laptop)
    }

    /// A node's disk dies.
    fn died(&mut self) -> Outcome {
        chapter(14, "A node's disk dies, and its backup is older than what it has signed");
        let (backup, kept) =
            (self.folder.join("backup-of-a-node"), self.folder.join("before.talea"));
        let (server, alba) = (self.server(LOST)?, self.hand(BETWEEN)?);
        let name = server.name;
        server.backup(&backup)?;
        out::say(&format!("  Node {name} is backed up, and signs more:"));
        self.settles(&alba, &["add", "care", "30m"])?;
        self.settled("an entry after the backup")?;
        let signed = self.size(LOST)?;
        cheats::write(&kept, &self.stage.export_now(self.server(LOST)?)?.0)?;
        self.put_back(&backup, signed, &alba)?;
        self.comes_back(signed)?;
        let before = self.size(LOST)?;
        self.settles(&alba, &["send"])?;
        self.comes("the node signs again", |me| Ok(me.size(LOST)? > before))?;
        out::say(&format!("  Now node {name} signs again, and its log is one history:"));
        let now = self.folder.join("after.talea");
        cheats::write(&now, &self.stage.export_now(self.server(LOST)?)?.0)?;
        out::say("  $ talea-verify compare before.talea after.talea");
        expect(self.verify, &[Path::new("compare"), &kept, &now], 0)?;
        self.checked += 1;
        Ok(())
    }

    /// All nodes stop; the one starts from its backup, alone.
    fn put_back(&mut self, backup: &Path, signed: u64, hand: &Hand) -> Outcome {
        self.stage.servers.iter_mut().for_each(super::Server::kill);
        let server = self.stage.servers.get_mut(LOST).ok_or_else(not_shown)?;
        server.restore(backup)?;
        server.restart()?;
        let (name, held) = (server.name, self.size(LOST)?);
        let status: Status = self.server(LOST)?.control().read("/status", None)?;
        let reason = status.behind.first().ok_or_else(not_shown)?.reason.clone();
        out::say(&format!(
            "  It had signed {signed} leaves, the backup has {held}, and it reaches nobody. It says:"
        ));
        out::say(&format!("             {}", styled(DIM, &format!("node {name}: {reason}"))));
        self.claim(held < signed, "the backup is older than what the node has signed")?;
        let said = hand.shows(&["add", "care", "15m"])?;
        let is_kept = said.out.lines().last().is_some_and(|line| line.starts_with("kept"));
        self.claim(is_kept, "a node that lacks what it signed takes nothing")?;
        self.claim(self.size(LOST)? == held, "a node that lacks what it signed signs nothing")?;
        out::say(&format!("  Node {name} takes and signs nothing; {BETWEEN}'s wallet keeps it."));
        Ok(())
    }

    /// The others start again, and the one fetches what it had signed.
    fn comes_back(&mut self, signed: u64) -> Outcome {
        for place in (0..self.stage.servers.len()).filter(|place| *place != LOST) {
            self.stage.servers.get_mut(place).ok_or_else(not_shown)?.restart()?;
        }
        let time = self.comes("the node catches up", |me| {
            let status: Status = me.server(LOST)?.control().read("/status", None)?;
            Ok(status.behind.is_empty() && me.size(LOST)? >= signed)
        })?;
        out::say(&format!(
            "  The others come back. {} node {} has fetched what it had signed, in {} ms:",
            styled(GOOD, "Caught up:"),
            self.server(LOST)?.name,
            time.as_millis()
        ));
        Ok(())
    }

    /// What is left is whole.
    fn accepted(&mut self) -> Outcome {
        chapter(15, "After all that: the auditor's program on every node's export");
        self.settled("everything")?;
        for place in 0..self.stage.servers.len() {
            let server = self.server(place)?;
            let path = self.folder.join(format!("end-{}.talea", server.name));
            cheats::write(&path, &self.stage.export(server)?.0)?;
            out::say(&format!("  $ talea-verify end-{}.talea", server.name));
            expect(self.verify, &[path.as_path()], 0)?;
            self.checked += 1;
        }
        Ok(())
    }

    fn server(&self, place: usize) -> Outcome<&super::Server> {
        self.stage.servers.get(place).ok_or_else(not_shown)
    }

    fn device(&self, name: &str) -> Outcome<DeviceKey> {
        Ok(self.play.key(name).ok_or_else(not_shown)?.device())
    }

    /// What a node says of a chain.
    fn head(&self, place: usize, device: &DeviceKey) -> Outcome<Head> {
        self.stage.read(self.server(place)?, &format!("/heads/{device}"))
    }

    fn size(&self, place: usize) -> Outcome<u64> {
        let size: Size = self.stage.read(self.server(place)?, "")?;
        Ok(size.log.size)
    }

    /// Whether a node tells of an open fork of this device.
    fn forks_of(&self, server: &super::Server, device: &DeviceKey) -> Outcome<bool> {
        let told: Vec<Told> = self.stage.read(server, "/forks")?;
        Ok(told.iter().any(|fork| fork.device == *device))
    }

    /// Waits until all nodes hold the same for settled, and the same state.
    fn settled(&mut self, what: &str) -> Outcome {
        self.comes(&format!("all nodes agree after {what}"), |me| {
            let mut seen = Vec::new();
            for server in &me.stage.servers {
                let overview = me.stage.overview(server)?;
                seen.push((overview.settled, overview.state));
            }
            Ok(seen.iter().all(|one| Some(one) == seen.first()))
        })
        .map(|_| ())
    }
}

/// A member's wallet, as it is after the first act.
fn hand(play: &Play<'_>, folder: &Path, known: &Known, name: &str) -> Outcome<Hand> {
    let key = play.key(name).ok_or_else(not_shown)?;
    let hand = Hand::new(folder, name, key, known)?;
    hand.remember(play.book(), &key.device())?;
    Ok(hand)
}

fn untrue(what: &str) -> Failure {
    Failure::rule(
        format!("the demonstration claims that {what}, and it is not so"),
        "run it again with --keep and look at the nodes' log.txt",
    )
}

fn not_shown() -> Failure {
    Failure::usage("the scenario has not what the demonstration shows", "report this")
}

/// Copies a folder of files and folders.
fn copy(from: &Path, to: &Path) -> Outcome {
    let fault = |error| Failure::file(from, &error);
    std::fs::create_dir_all(to).map_err(fault)?;
    for entry in std::fs::read_dir(from).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target).map(|_| ()).map_err(fault)?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Outcome {
    let gone =
        if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    gone.map_err(|error| Failure::file(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copied_folder_has_every_file_and_is_gone_when_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        std::fs::create_dir_all(from.join("deep")).unwrap();
        std::fs::write(from.join("deep/file"), b"x").unwrap();
        copy(&from, &to).unwrap();
        assert_eq!(std::fs::read(to.join("deep/file")).unwrap(), b"x");
        remove(&to).unwrap();
        assert!(!to.exists());
    }
}
