//! Forked chains that are to end: the registrar heals them first.
//!
//! The evidence is what the nodes' own logs say of the fork, with its inclusion. Which branch goes on
//! is the ledger's to say (rule 27); where two could still settle, the chain stands still for ever.

use talea_ledger::heal::{self, HealFault};
use talea_ledger::replica::Replica;
use talea_protocol::bytes::{List, Octets};
use talea_protocol::fork::Fork;
use talea_protocol::leaf::{Forked, Leaf};
use talea_protocol::receipt::Receipt;
use talea_protocol::recovery::{EVIDENCE_BYTES_MAX, Evidence, Heal};

use super::World;

impl World {
    /// The place of the first fork of these devices that stands open at an honest node.
    pub(super) fn open_fork(&self, island: usize, devices: &[u32]) -> Option<(u32, u32)> {
        let held = &self.islands[island];
        let replicas = self.honest().into_iter().filter_map(|host| held.replicas[host].as_ref());
        let forks = replicas.flat_map(|it| it.freezes().forks());
        let named = forks.map(|(device, open)| (device, seq(&open.fork)));
        named.filter(|(device, _)| devices.contains(device)).min()
    }

    /// States the heal, if the evidence allows one by now. Returns whether none ever will.
    pub(super) fn heal_first(&mut self, island: usize, device: u32, seq: u32) -> bool {
        let register = self.islands[island].people.register();
        if register.healed(device, seq).is_some() {
            return false;
        }
        let cited = self.cited(island, device, seq);
        let leaves: Vec<Forked> = cited.iter().map(|(leaf, _)| *leaf).collect();
        match heal::left(register, &leaves) {
            Ok(adopt) => {
                let evidence = cited.into_iter().map(|(_, evidence)| evidence).collect();
                let evidence = List::new(evidence).expect("as many as nodes");
                let heal = Heal { device, seq, adopt, evidence };
                let now = self.now;
                self.islands[island].people.heal(heal, now);
                self.submit_last(island);
                self.faults.count("forked chains healed");
                false
            }
            Err(HealFault::Open { .. }) => self.is_for_ever(cited.len()),
            Err(_) => false,
        }
    }

    /// Whether a fork that so many logs leave open stays so: all logs that ever will have said it, and
    /// not everybody does, or the roster is one that a fork can stop (model, section 6).
    fn is_for_ever(&mut self, cited: usize) -> bool {
        let (n, f, q) = (self.scenario.nodes, self.scenario.faulty, self.scenario.quorum);
        let always = 2 * usize::from(q) > n + 2 * usize::from(f);
        let is_over = self.calm
            && cited >= self.honest().len()
            && !(always && self.scenario.liars.is_empty());
        if is_over {
            self.faults.count("forked chains that no heal may end");
        }
        is_over
    }

    /// What each node's log says of a fork, with its receipt, by node.
    fn cited(&self, island: usize, device: u32, seq: u32) -> Vec<(Forked, Evidence)> {
        let hosts = (0..self.hosts.len()).filter(|host| !self.hosts[*host].is_twin);
        let mut cited: Vec<(Forked, Evidence)> =
            hosts.filter_map(|host| self.cited_by(island, host, device, seq)).collect();
        cited.sort_by_key(|(_, evidence)| evidence.node);
        cited
    }

    fn cited_by(
        &self,
        island: usize,
        host: usize,
        device: u32,
        seq: u32,
    ) -> Option<(Forked, Evidence)> {
        let (held, it) = (&self.islands[island], &self.hosts[host]);
        let replica = held.replicas[host].as_ref()?;
        let leaf = replica.freezes().forked(device)?.leaf;
        let extra = it.disk.leaf(&held.cooperative, leaf)?;
        let Ok(Leaf::Fork(forked)) = Leaf::parse(&extra) else { return None };
        let receipt = receipt(replica, leaf, extra)?;
        let evidence = Evidence { node: it.node, receipt };
        // One log alone leaves branches open: that is no fault of what it says.
        let alone = List::new(vec![evidence.clone()])?;
        let alone = Heal { device, seq, adopt: None, evidence: alone };
        let fault = heal::examine(held.people.register(), &alone).err();
        let sound =
            matches!(fault, None | Some(HealFault::Open { .. } | HealFault::Adopted { .. }));
        sound.then_some((*forked, evidence))
    }
}

fn seq(fork: &Fork) -> u32 {
    u32::try_from(fork.seq()).expect("a chain of this world is short")
}

fn receipt(replica: &Replica, index: u64, extra: Vec<u8>) -> Option<Octets<EVIDENCE_BYTES_MAX>> {
    let size = replica.published();
    let proof = replica.tree().prove_inclusion(index, size, |_, _| None).ok()?;
    let checkpoint = replica.note()?.clone();
    let receipt = Receipt { index, proof, checkpoint, extra };
    Octets::new(receipt.to_string().into_bytes())
}
