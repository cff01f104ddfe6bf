//! A charter, as section 6 of the README has it.

use wincode::{SchemaRead, SchemaWrite};

use super::{Key, Signature};

#[derive(SchemaRead, SchemaWrite)]
pub struct Charter {
    pub rules: u32,
    pub name: String,
    pub profile: Profile,
    pub visibility: Visibility,
    pub currency: String,
    pub exponent: u8,
    pub colleges: Vec<College>,
    pub stages: Vec<Stage>,
    pub founders: Vec<Founder>,
    pub registrar: u32,
    pub treasurer: u32,
    pub distributor: u32,
    pub roster: Roster,
    pub quorum: u16,
    pub thresholds: Thresholds,
    pub rates: Vec<Rate>,
    pub internal_price: u32,
    pub tiers: Vec<Tier>,
    pub retain: u16,
    pub care: u16,
    pub livelihood: u16,
    pub tie: Tie,
    pub attestations: u8,
    pub contribution_max: i64,
    pub love_minimum: u32,
    pub legal: u16,
    pub statutory: u16,
    pub sponsors: u8,
    pub recovery: u16,
    pub council: Council,
    pub units: Vec<InternalUnit>,
    pub funds: Vec<Fund>,
    pub overdraft: Option<i64>,
    pub expense_limit: Option<i64>,
    pub capital_floor: Option<i64>,
    pub capital_share: u16,
    pub legal_ceiling: Option<i64>,
    pub interest_cap: u16,
    pub pay_spread: Option<u32>,
}

#[derive(SchemaRead, SchemaWrite)]
pub struct Council {
    pub quorums: Quorums,
    pub proxies: u8,
    pub circles: Vec<Circle>,
    pub milestones: Vec<Milestone>,
    pub care_minimum: u32,
    pub attesting: Vec<Attesting>,
}

#[derive(SchemaRead, SchemaWrite)]
pub struct Attesting {
    pub task: String,
    pub by: Attester,
    pub quality: u8,
}

#[derive(SchemaRead, SchemaWrite)]
pub enum Attester {
    Peer,
    Client,
    Editor,
}

#[derive(SchemaRead, SchemaWrite)]
pub struct Quorums {
    pub ordinary: u16,
    pub charter: u16,
    pub allocation: u16,
}

#[derive(SchemaRead, SchemaWrite)]
pub struct Circle {
    pub code: String,
    pub colleges: Vec<u8>,
    pub may: Vec<Competence>,
    pub spend_max: u64,
}

#[derive(SchemaRead, SchemaWrite)]
pub enum Competence {
    Policy,
    Admit,
    Advance,
    Appoint,
    Resolve,
    Correct,
    Spend,
    Agree,
}

#[derive(SchemaRead, SchemaWrite)]
pub struct Milestone {
    pub stage: u8,
    pub words: u8,
    pub credits: u64,
}

#[derive(SchemaRead, SchemaWrite)]
pub struct InternalUnit {
    pub code: String,
    pub exponent: u8,
    pub limit: Option<i64>,
}

#[derive(SchemaRead, SchemaWrite)]
pub struct Fund {
    pub code: String,
    pub unit: String,
    pub issues: Option<i64>,
}

#[derive(SchemaRead, SchemaWrite)]
pub enum Profile {
    None,
    FrScic,
}

#[derive(SchemaRead, SchemaWrite)]
pub enum Visibility {
    Private,
    Public,
}

#[derive(SchemaRead, SchemaWrite)]
pub struct College {
    pub code: String,
    pub weight: u16,
    pub category: Category,
}

#[derive(SchemaRead, SchemaWrite)]
pub enum Category {
    Workers,
    Beneficiaries,
    Others,
}

#[derive(SchemaRead, SchemaWrite)]
pub struct Stage {
    pub code: String,
    pub livelihood: u16,
    pub love: u16,
    pub care: u16,
    pub binding_vote: bool,
}

#[derive(SchemaRead, SchemaWrite)]
pub struct Founder {
    pub college: u8,
    pub stage: u8,
    pub kind: Kind,
    pub device: Key,
    pub proof: Signature,
}

#[derive(SchemaRead, SchemaWrite)]
pub enum Kind {
    Person,
    Organisation,
    Machine,
}

#[derive(SchemaRead, SchemaWrite)]
pub struct Thresholds {
    pub ordinary: u16,
    pub charter: u16,
    pub allocation: u16,
}

#[derive(SchemaRead, SchemaWrite)]
pub struct Rate {
    pub task: String,
    pub unit: String,
    pub credits: u32,
}

#[derive(SchemaRead, SchemaWrite)]
pub struct Tier {
    pub code: String,
    pub price: u32,
}

#[derive(SchemaRead, SchemaWrite)]
pub enum Tie {
    ByHash,
    ByAdmission,
}

#[derive(SchemaRead, SchemaWrite)]
pub struct Roster {
    pub nodes: Vec<Key>,
    pub faulty: u8,
    pub quorum: u8,
}
