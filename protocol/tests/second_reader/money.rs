//! Parts of the treasurer's acts, as section 7 of the README has them.

use wincode::{SchemaRead, SchemaWrite};

use super::Id;

#[derive(SchemaRead, SchemaWrite)]
pub struct Allocate {
    pub decision: Id,
    pub from: u32,
    pub until: u32,
    pub date: i32,
    pub result: i64,
    pub legal: u64,
    pub statutory: u64,
    pub other: u64,
    pub interest: Vec<(u32, i64)>,
    pub refunds: Vec<(u32, i64)>,
    pub carried: i64,
}

#[derive(SchemaRead, SchemaWrite)]
pub enum Held {
    Bank,
    Shares(u32),
    Receivable { client: String, job: String },
    Due(u32),
    Reserve(Reserve),
    Carried,
    Other(String),
    Purse { purse: Purse, unit: String },
}

#[derive(SchemaRead, SchemaWrite)]
pub enum Reserve {
    Legal,
    Statutory,
    Other,
}

#[derive(SchemaRead, SchemaWrite)]
pub struct Opening {
    pub account: Held,
    pub amount: i64,
}

#[derive(SchemaRead, SchemaWrite)]
pub enum Purse {
    Member(u32),
    Fund(String),
}
