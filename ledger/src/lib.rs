//! What entries mean. Pure, single-threaded, deterministic.
//!
//! Modules in reading order; each uses only those above it. The numbered rules are in `README.md`.

pub mod batch;
pub mod index;
pub mod sethash;
pub mod split;
pub mod account;
pub mod fault;
pub mod verdict;
pub mod form;
pub mod profile;
pub mod register;
pub mod tally;
pub mod run;
pub mod row;
pub mod chain;
pub mod terms;
pub mod stage;
pub mod contest;
pub mod contribution;
pub mod plan;
pub mod runoff;
pub mod proxy;
pub mod proposal;
pub mod vote;
pub mod authority;
pub mod journal;
pub mod documents;
pub mod purse;
pub mod money;
pub mod capital;
pub mod opening;
pub mod result;
pub mod distribution;
pub mod waiting;
pub mod state;
pub mod view;
pub mod heal;
pub mod place;
pub mod freeze;
pub mod settle;
pub mod replica;
