//! The second act: a member who wrote twice, a wallet put back from a backup, a stolen telephone, a
//! node whose disk died. Everything is done with the programs that members and operators have.
//!
//! What is told is asked of the nodes before it is said; anything else ends the demonstration.

use std::path::Path;

use serde::Deserialize;
use talea_protocol::key::DeviceKey;
use talea_tools::book::Book;
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
const ROBBED: &str = "gael";
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
        Ok(Self { stage, play, folder, verify, known, registrar })
    }

    /// All of it. Returns how many claims were checked.
    pub fn show(&mut self) -> Outcome<usize> {
        out::say("");
        out::say(&styled(out::HEAD, "When things go wrong"));
        let claims = [self.healed()?, self.restored()?, self.stolen()?, self.died()?];
        let last = self.accepted()?;
        Ok(claims.iter().sum::<usize>() + last)
    }

    fn hand(&self, name: &str) -> Outcome<Hand> {
        hand(self.play, self.folder, &self.known, name)
    }

    /// The fork of the third cheat is ended.
    fn healed(&mut self) -> Outcome<usize> {
        chapter(11, "The chain that was written twice stands still, and is healed");
        let key = self.play.key(FORKER).map(talea_protocol::key::SecretKey::device);
        let device = key.ok_or_else(not_shown)?;
        wait("not every node has the proof of the fork", || {
            let told = self.stage.servers.iter().map(|server| self.forks_of(server, &device));
            Ok(told.collect::<Outcome<Vec<bool>>>()?.iter().all(|told| *told))
        })?;
        let forker = self.hand(FORKER)?;
        forker.must(&["fetch"])?;
        out::say(&format!("  Every node has the proof and gives {FORKER}'s chain no new place."));
        // Whichever branch this wallet takes for its own: nothing goes on from it.
        let _ = forker.run(&["catch-up"])?;
        let stands = self.head(0, &device)?.frozen.ok_or_else(not_shown)?;
        out::say(&format!("  node a: {} (rule {})", stands.cause, stands.rule));
        self.registrar.shows(&["forks"])?;
        self.registrar.shows(&["heal", FORKER])?;
        self.settled("the heal")?;
        wait("the heal has not come to every node", || {
            let told = self.stage.servers.iter().map(|server| self.forks_of(server, &device));
            Ok(told.collect::<Outcome<Vec<bool>>>()?.iter().all(|told| !told))
        })?;
        let book = self.book(0)?;
        self.goes_on(&forker, &book, &device)?;
        Ok(4)
    }

    /// Whoever wrote twice goes on after the branch that stands, if one does.
    fn goes_on(&self, forker: &Hand, book: &Book, device: &DeviceKey) -> Outcome {
        let number = book.register().known(device).ok_or_else(not_shown)?;
        let ended = book.register().record(number).and_then(|record| record.end);
        if ended.is_some() {
            out::say(&format!(
                "  No branch had enough nodes: the chain ends before that place, and {FORKER} goes on \
                 with another device, as below."
            ));
            return Ok(());
        }
        // A wallet that held the dead branch would say so; this one takes over what stands.
        let fresh = forker.at(self.folder.join(format!("wallet-{FORKER}-anew")));
        copy(&forker.folder, &fresh.folder)?;
        remove(&fresh.folder.join("cooperatives").join(self.known.cooperative.to_string()).join("journal"))?;
        fresh.must(&["fetch"])?;
        fresh.must(&["catch-up"])?;
        let said = fresh.shows(&["add", "care", "1h"])?;
        is_settled(&said.out)
    }

    /// A wallet is put back.
    fn restored(&mut self) -> Outcome<usize> {
        chapter(12, "A wallet is put back from an old backup");
        let farida = self.hand(RESTORED)?;
        farida.must(&["fetch"])?;
        farida.must(&["catch-up"])?;
        let backup = self.folder.join("backup-of-a-wallet");
        copy(&farida.folder, &backup)?;
        out::say(&format!("  {RESTORED} backs her wallet up, and goes on:"));
        is_settled(&farida.shows(&["add", "care", "2h"])?.out)?;
        let device = self.device(RESTORED)?;
        let before = self.head(0, &device)?.length;
        remove(&farida.folder)?;
        copy(&backup, &farida.folder)?;
        out::say("  Her telephone falls into the water. On a new one she puts the backup back:");
        farida.is_refused(&["add", "care", "3h"], "older than what you have signed")?;
        if self.head(0, &device)?.length != before || self.forks_of(self.server(0)?, &device)? {
            return Err(not_shown());
        }
        out::say("  Nothing was signed: one more statement in that place would have been a fork.");
        farida.shows(&["catch-up"])?;
        is_settled(&farida.shows(&["add", "care", "3h"])?.out)?;
        Ok(4)
    }

    /// A telephone is stolen.
    fn stolen(&mut self) -> Outcome<usize> {
        chapter(13, "A telephone is stolen");
        let phone = self.hand(ROBBED)?;
        phone.must(&["fetch"])?;
        phone.must(&["catch-up"])?;
        let laptop = Hand::new(self.folder, "laptop", &keyfile::fresh()?, &self.known)?;
        let request = laptop.slip(&["device", "request", "laptop"], "slip")?;
        let approval = phone.slip(&["device", "approve", &request], "slip")?;
        out::say(&format!("  {ROBBED} has a second device; the registrar enrols it:"));
        self.registrar.shows(&["device", "enrol", &request, "--approval", &approval])?;
        self.settled("the enrolment")?;
        laptop.must(&["fetch"])?;
        let device = self.device(ROBBED)?;
        let before = self.head(0, &device)?.length;
        out::say("  The telephone is stolen, unlocked. From the laptop it is reported:");
        let key = device.to_string();
        laptop.typed(&["device", "report", &key]);
        let word = laptop.slip(&["device", "report", &key], "slip")?;
        self.settled("the report")?;
        out::say("  The thief tries to be paid for care:");
        phone.is_refused(&["add", "care", "8h"], "rule 21")?;
        out::say("  The registrar ends it, at what the nodes hold of its chain:");
        self.registrar.shows(&["device", "revoke", &key, "--word", &word])?;
        self.settled("the revocation")?;
        out::say("  The thief tries again:");
        phone.is_refused(&["send"], "rule 22")?;
        for place in 0..self.stage.servers.len() {
            if self.head(place, &device)?.length != before {
                return Err(not_shown());
            }
        }
        out::say(&format!("  No node holds anything of it. {ROBBED} goes on with the laptop:"));
        is_settled(&laptop.shows(&["add", "care", "1h"])?.out)?;
        Ok(5)
    }

    /// A node's disk dies.
    fn died(&mut self) -> Outcome<usize> {
        chapter(14, "A node's disk dies, and its backup is older than what it has signed");
        let backup = self.folder.join("backup-of-a-node");
        self.server(LOST)?.backup(&backup)?;
        let name = self.server(LOST)?.name;
        let alba = self.hand(BETWEEN)?;
        alba.must(&["fetch"])?;
        alba.must(&["catch-up"])?;
        out::say(&format!("  Node {name} is backed up, and signs more:"));
        is_settled(&alba.shows(&["add", "care", "30m"])?.out)?;
        self.settled("an entry after the backup")?;
        let signed = self.size(LOST)?;
        let kept = self.folder.join("before.talea");
        cheats::write(&kept, &self.stage.export_now(self.server(LOST)?)?.0)?;
        for server in &mut self.stage.servers {
            server.kill();
        }
        let server = self.stage.servers.get_mut(LOST).ok_or_else(not_shown)?;
        server.restore(&backup)?;
        server.restart()?;
        let held = self.size(LOST)?;
        let status: Status = self.server(LOST)?.control().read("/status", None)?;
        let reason = status.behind.first().map(|behind| behind.reason.clone()).ok_or_else(not_shown)?;
        out::say(&format!(
            "  It had signed {signed} leaves, the backup has {held}, and it reaches nobody yet:"
        ));
        out::say(&format!("             {}", styled(DIM, &format!("node {name}: {reason}"))));
        if held >= signed {
            return Err(not_shown());
        }
        for place in (0..self.stage.servers.len()).filter(|place| *place != LOST) {
            self.stage.servers.get_mut(place).ok_or_else(not_shown)?.restart()?;
        }
        let time = wait("the node does not catch up", || {
            let status: Status = self.server(LOST)?.control().read("/status", None)?;
            Ok(status.behind.is_empty() && self.size(LOST)? >= signed)
        })?;
        out::say(&format!(
            "  {} The others are there again: it has fetched what it signed, in {} ms.",
            styled(GOOD, "caught up"),
            time.as_millis()
        ));
        let before = self.size(LOST)?;
        is_settled(&alba.shows(&["add", "care", "15m"])?.out)?;
        wait("the node signs nothing new", || Ok(self.size(LOST)? > before))?;
        out::say(&format!("  Now node {name} signs again, and its log is one history:"));
        let now = self.folder.join("after.talea");
        cheats::write(&now, &self.stage.export_now(self.server(LOST)?)?.0)?;
        out::say("  $ talea-verify compare before.talea after.talea");
        expect(self.verify, &[Path::new("compare"), &kept, &now], 0)?;
        Ok(4)
    }

    /// What is left is whole.
    fn accepted(&mut self) -> Outcome<usize> {
        chapter(15, "After all that: the auditor's program on every node's export");
        self.settled("everything")?;
        for place in 0..self.stage.servers.len() {
            let server = self.server(place)?;
            let path = self.folder.join(format!("end-{}.talea", server.name));
            cheats::write(&path, &self.stage.export(server)?.0)?;
            out::say(&format!("  $ talea-verify end-{}.talea", server.name));
            expect(self.verify, &[path.as_path()], 0)?;
        }
        Ok(self.stage.servers.len())
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

    fn book(&self, place: usize) -> Outcome<Book> {
        let (_, audit) = self.stage.export_now(self.server(place)?)?;
        Book::of(audit).ok_or_else(not_shown)
    }

    /// Waits until all nodes hold the same for settled, and the same state.
    fn settled(&self, what: &str) -> Outcome {
        wait(&format!("the nodes do not agree after {what}"), || {
            let mut seen = Vec::new();
            for server in &self.stage.servers {
                let overview = self.stage.overview(server)?;
                seen.push((overview.settled, overview.state));
            }
            Ok(seen.iter().all(|one| Some(one) == seen.first()))
        })
        .map(|_| ())
    }
}

fn hand(play: &Play<'_>, folder: &Path, known: &Known, name: &str) -> Outcome<Hand> {
    let hand = Hand::new(folder, name, play.key(name).ok_or_else(not_shown)?, known)?;
    if name == REGISTRAR {
        hand.must(&["fetch"])?;
        hand.must(&["catch-up"])?;
    }
    Ok(hand)
}

/// The first line says that it stays.
fn is_settled(said: &str) -> Outcome {
    match said.lines().any(|line| line.starts_with("settled")) {
        true => Ok(()),
        false => Err(not_shown()),
    }
}

fn not_shown() -> Failure {
    Failure::rule(
        "something is not as the demonstration claims",
        "run it again with --keep and look at the nodes' log.txt",
    )
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
    let gone = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
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
