//! Small worlds, gone through whole: every order of a few events, and what may never be.
//!
//! `search` visits every state of a model, the nearest first, so that what it finds is the shortest
//! way there. Four models are on paper, with one place, one chain, one register, one change of the
//! roster; `races` plays real replicas. Liars have no state: whatever they could say counts as
//! said. What was covered is in the README, "Model check"; the design's model, sections 5 to 7.

pub mod search;
pub mod roster;
pub mod branches;
pub mod cuts;
pub mod succession;
pub mod reform;
pub mod races;
pub mod scenes;
