//! What people read: balances, members, contributions, decisions, runs, flows.
//!
//! Each view is computed from register and state when it is asked for; nothing is stored. Amounts
//! are integers in minor units with their decimal places beside them: no floats, and no text that
//! a reader would have to take apart. Members are numbers here, because names are in erasable
//! payloads, which no state reads. Design's domain, section 3.

pub mod accounts;
pub mod contributions;
pub mod decisions;
pub mod journal;
pub mod minimums;
pub mod partners;
pub mod plans;
pub mod purses;
pub mod runs;
pub mod members;
