//! What members offer, ask for, agree on and promise, draw on, and what they put right, in Valueflows.
//!
//! An offer or a request is a proposal that publishes one intent; each clause of an agreement is a
//! commitment under it; a promise is a commitment, which contributions fulfil. A correction is an
//! event of its own with the difference, the only negative quantity. `tools/README.md` has the rows.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use talea_ledger::view::contributions::Given;
use talea_ledger::view::plans::{Agreed, Committed, Offered, agreements, commitments, intents};
use talea_protocol::charter::Member;
use talea_protocol::hash::EntryId;
use talea_protocol::plan::{Direction, Duty, Party};
use talea_protocol::work::{Draw, Resource, Taking};

use super::{Graph, measure, stamp};

/// The commitments that contributions fulfil, by contribution.
pub(super) type Fulfilled = BTreeMap<EntryId, Vec<EntryId>>;

impl Graph<'_> {
    /// The commitments that each contribution fulfils.
    pub(super) fn fulfilled(&self) -> Fulfilled {
        let mut all = Fulfilled::new();
        for commitment in commitments(&self.books.sum.state) {
            for part in &commitment.fulfilled {
                all.entry(part.id).or_default().push(commitment.id);
            }
        }
        all
    }

    /// What corrects the event of a contribution, under the same names.
    pub(super) fn corrections(&mut self, given: &Given, event: &Value) {
        for correction in &given.corrections {
            let difference = i128::from(correction.difference);
            let node = json!({
                "id": self.urn("entry", &correction.id.to_string()),
                "type": "EconomicEvent",
                "action": event["action"],
                "provider": event["provider"],
                "receiver": event["receiver"],
                "resourceConformsTo": event["resourceConformsTo"],
                "effortQuantity": measure(difference, 0, &self.unit_of(given)),
                "hasBeginning": event["hasBeginning"],
                "hasEnd": event["hasEnd"],
                "corrects": event["id"],
            });
            self.nodes.push(node);
        }
    }

    pub(super) fn plans(&mut self) {
        let state = &self.books.sum.state;
        intents(state).iter().for_each(|it| self.intent(it));
        agreements(state).iter().for_each(|it| self.agreement(it));
        commitments(state).iter().for_each(|it| self.commitment(it));
        let draws = state.plans().draws();
        draws.iter().for_each(|(id, draw)| self.draw(id, draw.author, &draw.act));
    }

    /// What a member takes of the cooperative's resources, to use, cite or consume it.
    fn draw(&mut self, id: &EntryId, author: Member, act: &Draw) {
        let mut node = self.flow(
            "EconomicEvent",
            self.urn("entry", &id.to_string()),
            Duty::Transfer,
            &act.resource,
        );
        node["action"] = match act.taking {
            Taking::Use => "use",
            Taking::Cite => "cite",
            Taking::Consume => "consume",
        }
        .into();
        node["provider"] = self.coop().into();
        node["receiver"] = self.member(author).into();
        node["hasPointInTime"] = stamp(act.date).into();
        let agreements = self.books.sum.state.plans().agreements();
        let agreement = act.belonging.agreement.filter(|id| agreements.contains_key(id));
        if let Some(agreement) = agreement {
            node["realizationOf"] = self.urn("entry", &agreement.to_string()).into();
        }
        self.nodes.push(node);
    }

    fn intent(&mut self, it: &Offered) {
        let (id, author) = (it.id.to_string(), self.member(it.author));
        let (side, purpose) = match it.act.direction {
            Direction::Offer => ("provider", "offer"),
            Direction::Request => ("receiver", "request"),
        };
        // Nothing is said of how: work where the charter has the task, and a transfer otherwise.
        let duty = if self.is_task(&it.act.what) { Duty::Work } else { Duty::Transfer };
        let mut intent = self.flow("Intent", self.urn("entry", &id), duty, &it.act.what);
        intent[side] = author.into();
        let mut proposal = json!({
            "id": self.urn("proposal", &id),
            "type": "Proposal",
            "purpose": purpose,
            "publishes": intent["id"],
        });
        if let Some(until) = it.act.until {
            proposal["hasEnd"] = stamp(until).into();
        }
        self.nodes.extend([proposal, intent]);
    }

    fn agreement(&mut self, it: &Agreed) {
        let id = it.id.to_string();
        let agreement = self.urn("entry", &id);
        self.nodes.push(json!({ "id": agreement, "type": "Agreement" }));
        for (number, clause) in it.act.clauses.iter().enumerate() {
            let id = self.urn("clause", &format!("{id}:{number}"));
            let mut node = self.flow("Commitment", id, clause.duty, &clause.what);
            node["provider"] = self.party(clause.provider).into();
            node["receiver"] = self.party(clause.receiver).into();
            node["clauseOf"] = agreement.clone().into();
            if let Some(due) = clause.due {
                node["due"] = stamp(due).into();
            }
            self.nodes.push(node);
        }
    }

    fn commitment(&mut self, it: &Committed) {
        let id = self.urn("entry", &it.id.to_string());
        let mut node = self.flow("Commitment", id, it.act.duty, &it.act.what);
        node["provider"] = self.member(it.author).into();
        node["receiver"] = self.party(it.act.receiver).into();
        node["due"] = stamp(it.act.due).into();
        node["finished"] = (it.open == 0).into();
        // What is named need not count: then it is not here.
        let plans = self.books.sum.state.plans();
        if let Some(intent) = it.act.intent.filter(|id| plans.intents().contains_key(id)) {
            node["satisfies"] = self.urn("entry", &intent.to_string()).into();
        }
        if let Some(agreement) = it.act.agreement.filter(|id| plans.agreements().contains_key(id)) {
            node["clauseOf"] = self.urn("entry", &agreement.to_string()).into();
        }
        self.nodes.push(node);
    }

    /// What of an intent, a commitment or a draw says how much of what.
    fn flow(&mut self, class: &str, id: String, duty: Duty, what: &Resource) -> Value {
        let (action, quantity) = match duty {
            Duty::Work => ("work", "effortQuantity"),
            Duty::Produce => ("produce", "resourceQuantity"),
            Duty::DeliverService => ("deliverService", "resourceQuantity"),
            Duty::Transfer => ("transfer", "resourceQuantity"),
        };
        let kind = if self.is_task(what) {
            self.tasks.insert(what.code.to_string());
            "task"
        } else {
            self.resources.insert(what.code.to_string());
            "resource"
        };
        let unit = self.urn("unit", what.unit.as_str());
        let mut node = json!({
            "id": id,
            "type": class,
            "action": action,
            "resourceConformsTo": self.urn(kind, what.code.as_str()),
        });
        node[quantity] = measure(i128::from(what.quantity.value()), 0, &unit);
        node
    }

    fn is_task(&self, what: &Resource) -> bool {
        self.books.charter().rates.iter().any(|rate| rate.task == what.code)
    }

    fn party(&self, party: Party) -> String {
        match party {
            Party::Cooperative => self.coop(),
            Party::Member(member) => self.member(member),
        }
    }
}
