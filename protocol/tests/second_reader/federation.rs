//! Parts of the acts between cooperatives, as section 7 of the README has them.

use wincode::{SchemaRead, SchemaWrite};

use super::{Hash, Id};

#[derive(SchemaRead, SchemaWrite)]
pub struct Accord {
    pub one: Id,
    pub other: Id,
    pub reference: String,
    pub unit: String,
    pub limit: i64,
    pub from: i32,
    pub until: i32,
    pub text: Hash,
}

#[derive(SchemaRead, SchemaWrite)]
pub struct Balance {
    pub accord: Hash,
    pub date: i32,
    pub one: (u64, u64),
    pub other: (u64, u64),
}
