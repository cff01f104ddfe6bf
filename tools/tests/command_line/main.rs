//! The members' program as members meet it: typed in, with real nodes behind it.
//!
//! `transcripts/` holds sessions that are also the manual's examples; what is random or depends on
//! the clock is masked there. `bad_input`, `recovery` and `import` run the program directly. Nothing here
//! looks inside it.

mod acts;
mod bad_acts;
mod bad_input;
mod founded;
mod histories;
mod import;
mod joining;
mod nodes;
mod program;
mod recovery;
mod registrar;
mod roster;
mod session;
mod transcript;
mod uploads;

use transcript::Transcript;

#[test]
fn the_first_hour_of_a_cooperative_reads_as_it_is_written_down() {
    Transcript::of("first-hour.md").holds();
}

#[test]
fn two_people_have_an_attested_contribution_in_ten_commands_and_a_payout_soon_after() {
    Transcript::of("ten-commands.md").holds_from_nothing();
}

#[test]
fn every_other_act_is_stated_as_it_is_written_down() {
    Transcript::of("every-act.md").holds_from_nothing();
}

#[test]
fn a_receipt_is_attached_got_back_checked_and_erased_as_it_is_written_down() {
    Transcript::of("attachments.md").holds_from_nothing();
}

#[test]
fn the_worst_day_of_a_cooperative_reads_as_it_is_written_down() {
    Transcript::of("worst-day.md").holds();
}
