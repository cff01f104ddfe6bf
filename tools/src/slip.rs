//! Words that members pass to each other outside the log: a request to be let in, an approval, a
//! consent to a subscription. Words about what ends are in `word`.
//!
//! One line of text each, `talea:<kind>:<base64url>`, to be pasted into a message. They are worth
//! what their signatures are worth: whoever receives one checks it, and sees what it says first.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use talea_protocol::act::{Approval, Request, Subscribe, enrolment, subscription};
use talea_protocol::bytes::{Decode, Encode, List, decode, encode};
use talea_protocol::charter::Kind;
use talea_protocol::hash::EntryId;
use talea_protocol::key::{NodeKey, Purpose, SecretKey, Signature, verify_for};
use talea_protocol::money::{Redeem, redemption};

use crate::names::Called;

/// Longest slip, in bytes before base64.
const SLIP_BYTES_MAX: usize = 4096;

/// Why a text is not the slip that was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SlipFault {
    /// Something else.
    #[error("not a slip that begins with `talea:{kind}:`")]
    Kind {
        /// The kind that was asked for.
        kind: &'static str,
    },
    /// Cut short, or changed.
    #[error("the slip is damaged")]
    Damaged,
    /// Its signature does not fit.
    #[error("the slip is not signed by the device that it names")]
    Signature,
    /// It belongs elsewhere.
    #[error("the slip is for another cooperative, {cooperative}")]
    Cooperative {
        /// Which.
        cooperative: EntryId,
    },
}

impl SlipFault {
    /// What to do next.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Kind { .. } => "ask for the slip again, and paste all of its one line",
            Self::Damaged | Self::Signature => {
                "ask whoever made it to send it again, as a file or in one piece"
            }
            Self::Cooperative { .. } => {
                "choose that cooperative with --coop, or ask for a slip for this one"
            }
        }
    }
}

/// Asks to be let in: a new member's first device, or a member's next one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Joining {
    /// Where.
    pub cooperative: EntryId,
    /// The key, and what the applicant is.
    pub request: Request,
    /// The key's own signature.
    pub proof: Signature,
    /// What the applicant wants to be called. Nobody has signed it.
    pub called: Called,
}

/// As it is encoded: cooperative, request, proof, handle, name.
type JoiningBytes = (EntryId, Request, Signature, String, String);

impl Joining {
    /// Signs a request.
    #[must_use]
    pub fn new(cooperative: EntryId, kind: Kind, called: Called, key: &SecretKey) -> Self {
        let request = Request { device: key.device(), kind };
        let proof = key.sign(Purpose::Enrolment, &enrolment(&cooperative, &request));
        Self { cooperative, request, proof, called }
    }

    /// The slip.
    #[must_use]
    pub fn render(&self) -> String {
        let Called { handle, name } = self.called.clone();
        render("request", &(self.cooperative, self.request.clone(), self.proof, handle, name))
    }

    /// Reads a slip for this cooperative.
    ///
    /// # Errors
    /// [`SlipFault`].
    pub fn parse(text: &str, cooperative: EntryId) -> Result<Self, SlipFault> {
        let (there, request, proof, handle, name): JoiningBytes = parse("request", text)?;
        belongs(there, cooperative)?;
        let signed = enrolment(&cooperative, &request);
        if !verify_for(Purpose::Enrolment, &request.device, &proof, &signed) {
            return Err(SlipFault::Signature);
        }
        Ok(Self { cooperative, request, proof, called: Called { handle, name } })
    }

    /// A member's word for this request.
    #[must_use]
    pub fn approve(&self, key: &SecretKey) -> Approval {
        let signed = enrolment(&self.cooperative, &self.request);
        Approval { device: key.device(), signature: key.sign(Purpose::Approval, &signed) }
    }

    /// Reads the slip with a member's word for this request.
    ///
    /// # Errors
    /// [`SlipFault`].
    pub fn approval(&self, text: &str) -> Result<Approval, SlipFault> {
        let approval: Approval = parse("approval", text)?;
        let signed = enrolment(&self.cooperative, &self.request);
        verify_for(Purpose::Approval, &approval.device, &approval.signature, &signed)
            .then_some(approval)
            .ok_or(SlipFault::Signature)
    }
}

/// The slip with a member's word.
#[must_use]
pub fn render_approval(approval: &Approval) -> String {
    render("approval", approval)
}

/// The slip with a member's consent to a subscription of shares.
#[must_use]
pub fn render_subscription(cooperative: EntryId, subscribe: &Subscribe) -> String {
    render("shares", &(cooperative, subscribe.clone()))
}

/// Reads a consent to a subscription of shares in this cooperative.
///
/// # Errors
/// [`SlipFault`].
pub fn parse_subscription(text: &str, cooperative: EntryId) -> Result<Subscribe, SlipFault> {
    let (there, subscribe): (EntryId, Subscribe) = parse("shares", text)?;
    belongs(there, cooperative)?;
    let signed = subscription(&cooperative, &subscribe);
    verify_for(Purpose::Subscription, &subscribe.device, &subscribe.signature, &signed)
        .then_some(subscribe)
        .ok_or(SlipFault::Signature)
}

/// The slip with a member's consent to give shares back.
#[must_use]
pub fn render_redemption(cooperative: EntryId, redeem: &Redeem) -> String {
    render("redemption", &(cooperative, redeem.clone()))
}

/// Reads a consent to give back shares of this cooperative.
///
/// # Errors
/// [`SlipFault`].
pub fn parse_redemption(text: &str, cooperative: EntryId) -> Result<Redeem, SlipFault> {
    let (there, redeem): (EntryId, Redeem) = parse("redemption", text)?;
    belongs(there, cooperative)?;
    let signed = redemption(&cooperative, &redeem);
    verify_for(Purpose::Redemption, &redeem.device, &redeem.signature, &signed)
        .then_some(redeem)
        .ok_or(SlipFault::Signature)
}

/// Where a cooperative is kept, for whoever is to add it to a wallet. Nobody has signed it: what
/// the nodes then give is checked against the id.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Invite {
    /// Which.
    pub cooperative: EntryId,
    /// What it is called.
    pub name: String,
    /// Its nodes, and where they answer members.
    pub nodes: Vec<(NodeKey, String)>,
}

/// Most nodes of an invite: as many as a roster has.
const INVITE_NODES_MAX: usize = 16;

impl Invite {
    /// The slip. Nodes beyond the sixteenth are left out.
    #[must_use]
    pub fn render(&self) -> String {
        let nodes = self.nodes.iter().take(INVITE_NODES_MAX).cloned().collect();
        let nodes: List<(NodeKey, String), INVITE_NODES_MAX> =
            List::new(nodes).expect("no more were taken");
        render("invite", &(self.cooperative, self.name.clone(), nodes))
    }

    /// Reads a slip. Nobody has signed it: a name loses what moves a terminal's cursor or turns its
    /// text around, and an address with anything but visible ASCII is none.
    ///
    /// # Errors
    /// [`SlipFault`].
    pub fn parse(text: &str) -> Result<Self, SlipFault> {
        let (cooperative, name, nodes): (EntryId, String, List<_, INVITE_NODES_MAX>) =
            parse("invite", text)?;
        let nodes: List<(NodeKey, String), INVITE_NODES_MAX> = nodes;
        let visible =
            |http: &String| !http.is_empty() && http.bytes().all(|b| b.is_ascii_graphic());
        if !nodes.iter().all(|(_, http)| visible(http)) {
            return Err(SlipFault::Damaged);
        }
        let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let name = name.chars().filter(|c| !c.is_control() && !turns(*c)).collect();
        Ok(Self { cooperative, name, nodes: nodes.iter().cloned().collect() })
    }
}

pub(crate) fn belongs(there: EntryId, here: EntryId) -> Result<(), SlipFault> {
    if there == here { Ok(()) } else { Err(SlipFault::Cooperative { cooperative: there }) }
}

pub(crate) fn render<T: Encode>(kind: &str, value: &T) -> String {
    format!("talea:{kind}:{}", URL_SAFE_NO_PAD.encode(encode(value)))
}

pub(crate) fn parse<T: Encode + Decode<()>>(
    kind: &'static str,
    text: &str,
) -> Result<T, SlipFault> {
    let body = text.trim().strip_prefix("talea:").and_then(|rest| rest.strip_prefix(kind));
    let body = body.and_then(|rest| rest.strip_prefix(':')).ok_or(SlipFault::Kind { kind })?;
    let bytes = URL_SAFE_NO_PAD.decode(body).map_err(|_| SlipFault::Damaged)?;
    decode(&bytes, SLIP_BYTES_MAX).map_err(|_| SlipFault::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: EntryId = EntryId([1; 32]);

    fn key(n: u8) -> SecretKey {
        SecretKey::from_seed(&[n; 32])
    }

    #[test]
    fn a_request_and_its_approval_are_for_one_cooperative_and_one_key() {
        let called = Called { handle: "nadia".to_owned(), name: "Nadia".to_owned() };
        let joining = Joining::new(HERE, Kind::Person, called, &key(1));
        let slip = joining.render();
        assert_eq!(Joining::parse(&slip, HERE), Ok(joining.clone()));
        let elsewhere = Joining::parse(&slip, EntryId([2; 32]));
        assert_eq!(elsewhere, Err(SlipFault::Cooperative { cooperative: HERE }));
        let word = render_approval(&joining.approve(&key(2)));
        assert_eq!(joining.approval(&word).unwrap().device, key(2).device());
        let other = Joining::new(HERE, Kind::Person, joining.called.clone(), &key(3));
        assert_eq!(other.approval(&word), Err(SlipFault::Signature));
        assert_eq!(joining.approval(&slip), Err(SlipFault::Kind { kind: "approval" }));
    }

    #[test]
    fn an_invite_says_where_a_cooperative_is_kept_and_paints_over_nothing() {
        let nodes = vec![(key(17).node(), "http://127.0.0.1:7340".to_owned())];
        let invite = Invite { cooperative: HERE, name: "Le Fournil".to_owned(), nodes };
        assert_eq!(Invite::parse(&invite.render()), Ok(invite.clone()));
        let painted = Invite { name: "Le\u{1b}[2J \u{202e}Fournil".to_owned(), ..invite.clone() };
        assert_eq!(Invite::parse(&painted.render()).unwrap().name, "Le[2J Fournil");
        let http = "http://127.0.0.1:7340/\u{1b}[2J".to_owned();
        let painted = Invite { nodes: vec![(key(17).node(), http)], ..invite };
        assert_eq!(Invite::parse(&painted.render()), Err(SlipFault::Damaged));
        assert_eq!(Invite::parse("talea:request:AAAA"), Err(SlipFault::Kind { kind: "invite" }));
    }

    #[test]
    fn every_changed_or_missing_character_is_noticed() {
        let called = Called { handle: "n".to_owned(), name: "N".to_owned() };
        let slip = Joining::new(HERE, Kind::Person, called, &key(1)).render();
        // The name is not signed: what comes after the proof may change.
        for at in 0..slip.len() - 30 {
            assert!(Joining::parse(&slip[..at], HERE).is_err());
            let mut bytes = slip.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(Joining::parse(&changed, HERE).is_err(), "character {at}");
        }
    }
}
