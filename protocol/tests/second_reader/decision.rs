//! What belongs to proposals, votes, decisions and stages, as section 7 of the README has it.

use wincode::{SchemaRead, SchemaWrite};

use super::charter::{Circle, Kind, Quorums, Rate, Roster, Thresholds, Tier};
use super::{Approval, Cut, Id, Key, Office};

#[derive(SchemaRead, SchemaWrite)]
pub enum Grounds {
    Milestones { cut: Cut, words: Vec<Approval> },
    Decision(Id),
}

#[derive(SchemaRead, SchemaWrite)]
pub struct Propose {
    pub matter: Matter,
    pub method: Method,
    pub statutory: bool,
    pub closes: u64,
    pub effect: Effect,
}

#[derive(SchemaRead, SchemaWrite)]
pub struct Course {
    pub circle: Option<String>,
    pub opens: u64,
    pub options: Vec<String>,
    pub fallback: Option<Method>,
}

#[derive(SchemaRead, SchemaWrite)]
pub enum Scope {
    All,
    Matter(Matter),
    Circle(String),
    Proposal(Id),
}

#[derive(SchemaRead, SchemaWrite)]
pub struct Candidate {
    pub device: Key,
    pub kind: Kind,
    pub college: u8,
    pub stage: u8,
}

#[derive(SchemaRead, SchemaWrite)]
pub struct Tally {
    pub colleges: Vec<[u32; 4]>,
    pub yes: u64,
    pub no: u64,
    pub participation: u64,
    pub blocks: u32,
    pub options: Vec<u64>,
    pub winner: Option<u8>,
}

#[derive(SchemaRead, SchemaWrite)]
pub enum Outcome {
    Adopted,
    Rejected,
    NoQuorum,
    Blocked,
}

#[derive(SchemaRead, SchemaWrite)]
pub enum Matter {
    Ordinary,
    Charter,
    Allocation,
}

#[derive(SchemaRead, SchemaWrite)]
pub enum Method {
    CollegeWeighted,
    Headcount,
    Consent,
    Ranked,
    Score,
    CreditWeighted,
}

#[derive(SchemaRead, SchemaWrite)]
pub enum Effect {
    Policy,
    Amend { set: Vec<Amendment>, from: u32 },
    Remove(u32),
    Appoint(Office, u32),
    Reform(Roster),
    Admit(Candidate),
    Advance(u32, u8),
    Resolve(Id),
    Correct(Id, i64),
    Spend(i64),
    Allocate(u32, u32),
    Agree(Id),
}

#[derive(SchemaRead, SchemaWrite)]
pub enum Amendment {
    Retain(u16),
    Care(u16),
    Livelihood(u16),
    Quorum(u16),
    Thresholds(Thresholds),
    Attestations(u8),
    InternalPrice(u32),
    Rate(Rate),
    Tier(Tier),
    Sponsors(u8),
    LoveMinimum(u32),
    Quorums(Quorums),
    Proxies(u8),
    Circle(Circle),
    CareMinimum(u32),
}

#[derive(SchemaRead, SchemaWrite)]
pub enum Choice {
    Yes,
    No,
    Abstain,
    Block,
}
