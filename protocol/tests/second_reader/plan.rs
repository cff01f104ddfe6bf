//! What belongs to acts 43 to 50, as section 7 of the README has it.

use wincode::{SchemaRead, SchemaWrite};

use super::Id;

#[derive(SchemaRead, SchemaWrite)]
pub enum Extent {
    Part(i64),
    Quality,
}

#[derive(SchemaRead, SchemaWrite)]
pub enum Action {
    Work,
    Produce,
    DeliverService,
}

#[derive(SchemaRead, SchemaWrite)]
pub struct Resource {
    pub code: String,
    pub unit: String,
    pub quantity: i64,
}

#[derive(SchemaRead, SchemaWrite)]
pub struct Belonging {
    pub circle: Option<String>,
    pub agreement: Option<Id>,
    pub commitment: Option<Id>,
}

#[derive(SchemaRead, SchemaWrite)]
pub enum Taking {
    Use,
    Cite,
    Consume,
}

#[derive(SchemaRead, SchemaWrite)]
pub enum Direction {
    Offer,
    Request,
}

#[derive(SchemaRead, SchemaWrite)]
pub enum Party {
    Cooperative,
    Member(u32),
}

#[derive(SchemaRead, SchemaWrite)]
pub enum Duty {
    Work,
    Produce,
    DeliverService,
    Transfer,
}

#[derive(SchemaRead, SchemaWrite)]
pub struct Clause {
    pub provider: Party,
    pub receiver: Party,
    pub duty: Duty,
    pub what: Resource,
    pub due: Option<i32>,
}
