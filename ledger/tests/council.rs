//! Rules 90 to 97: methods, options, circles, blocks, delegations. One test each: what the rule
//! refuses, and that its neighbour counts; and what each method makes of the same members.

#![expect(clippy::unwrap_used, reason = "what cannot be set up cannot be tested")]

use talea_ledger::verdict::{Verdict, Void};
use talea_protocol::act::{
    Act, Candidate, Choice, Course, Decide, Delegate, Effect, Matter, Method, Motion, Outcome,
    Propose, Rank, Scope, Tally, Welcome,
};
use talea_protocol::charter::{Amendment, Kind, Member};
use talea_protocol::council::{Circle, Competence, Council, Quorums};
use talea_protocol::cut::Cut;
use talea_protocol::hash::EntryId;
use talea_protocol::recovery::{Erase, HandOver, Office};

mod world;
use world::acts::{
    MACHINE, NOVICE, REGISTRAR, amend, attest, carry, decide, enrol, propose, vote, work,
};
use world::{DAY_MS, World, bp, charter, code, consented, list, month, quantity};

/// A cooperative with two circles: the workers, and everybody; two proxies at most.
fn council() -> World {
    let circle = |name, colleges: &[u8], may: &[Competence]| Circle {
        code: code(name),
        colleges: list(colleges.iter().copied()),
        may: list(may.iter().copied()),
        spend_max: 500,
    };
    let mut charter = charter();
    charter.council = Council {
        proxies: 2,
        circles: list([
            circle("oven", &[0], &[Competence::Policy, Competence::Appoint, Competence::Spend]),
            circle("all", &[], &[Competence::Policy]),
        ]),
        ..Council::default()
    };
    World::of(consented(charter))
}

fn ask(method: Method, effect: Effect) -> Propose {
    Propose { matter: Matter::Ordinary, method, statutory: false, ..propose(effect) }
}

fn motion(proposal: Propose, course: Course) -> Act {
    Act::Motion(Box::new(Motion { proposal, course }))
}

fn text(method: Method, course: Course) -> Act {
    motion(ask(method, Effect::Policy), course)
}

fn options(of: &[&str]) -> Course {
    Course { options: list(of.iter().map(|name| code(name))), ..Course::default() }
}

fn circle(name: &str) -> Course {
    Course { circle: Some(code(name)), ..Course::default() }
}

fn fallback(method: Method) -> Course {
    Course { fallback: Some(method), ..Course::default() }
}

fn rank(proposal: EntryId, marks: &[u8]) -> Act {
    Act::Rank(Rank { proposal, marks: list(marks.iter().copied()) })
}

fn delegate(to: u32, scope: Scope) -> Act {
    Act::Delegate(Delegate { to: Some(Member(to)), scope, until: u64::MAX })
}

fn count(world: &World, proposal: &EntryId) -> (Tally, Outcome) {
    count_in(world, proposal, &world.cut())
}

fn count_in(world: &World, proposal: &EntryId, cut: &Cut) -> (Tally, Outcome) {
    world.state.count(&world.register, proposal, cut).unwrap()
}

fn block(world: &mut World, member: u32, proposal: EntryId) {
    assert_eq!(world.reasoned(member, vote(proposal, Choice::Block)), Verdict::Counted);
}

#[test]
fn rule_90_credits_decide_nothing_but_as_an_ordinary_consents_fallback() {
    let mut world = council();
    let good = fallback(Method::CreditWeighted);
    world.good(0, text(Method::Consent, good.clone()));
    assert_eq!(world.void(0, text(Method::CreditWeighted, Course::default())), 90);
    assert_eq!(world.void(0, text(Method::Headcount, good.clone())), 90);
    let with = |change: &dyn Fn(&mut Propose)| {
        let mut proposal = ask(Method::Consent, Effect::Policy);
        change(&mut proposal);
        motion(proposal, good.clone())
    };
    assert_eq!(world.void(0, with(&|it| it.statutory = true)), 90, "the law asks for it");
    assert_eq!(world.void(0, with(&|it| it.matter = Matter::Charter)), 90);
    assert_eq!(world.void(0, with(&|it| it.matter = Matter::Allocation)), 90);
    for method in [Method::CollegeWeighted, Method::Headcount] {
        let mut proposal = ask(Method::Consent, Effect::Policy);
        proposal.statutory = true;
        world.good(0, motion(proposal, fallback(method)));
        assert_eq!(world.void(0, text(Method::Headcount, fallback(method))), 90);
    }
    for method in [Method::Consent, Method::Ranked, Method::Score] {
        assert_eq!(world.void(0, text(Method::Consent, fallback(method))), 90);
    }
}

#[test]
fn rule_91_a_text_that_is_ranked_or_scored_has_distinct_options_and_nothing_else_has_some() {
    let mut world = council();
    for method in [Method::Ranked, Method::Score] {
        world.good(0, text(method, options(&["a", "b"])));
        assert_eq!(world.void(0, text(method, options(&["a"]))), 91);
        assert_eq!(world.void(0, text(method, options(&["a", "b", "a"]))), 91);
        assert_eq!(world.void(0, Act::Propose(ask(method, Effect::Policy))), 91);
        let spend = ask(method, Effect::Spend(quantity(1)));
        assert_eq!(world.void(0, motion(spend, options(&["a", "b"]))), 91);
    }
    for method in [Method::CollegeWeighted, Method::Headcount, Method::Consent] {
        assert_eq!(world.void(0, text(method, options(&["a", "b"]))), 91);
        world.good(0, text(method, Course::default()));
    }
}

#[test]
fn rule_92_nobody_votes_before_voting_opens() {
    let mut world = council();
    let closes = ask(Method::Headcount, Effect::Policy).closes;
    let opening = |opens| text(Method::Headcount, Course { opens, ..Course::default() });
    assert_eq!(world.void(0, opening(closes)), 92);
    let opens = world.time + DAY_MS;
    let proposal = world.good(0, opening(opens));
    world.time = opens - 1;
    assert_eq!(world.void(0, vote(proposal, Choice::Yes)), 92);
    world.time = opens;
    world.good(0, vote(proposal, Choice::Yes));
}

#[test]
fn rule_93_an_effect_outside_the_circles_competence_is_void() {
    let mut world = council();
    let spend = |amount| ask(Method::Headcount, Effect::Spend(quantity(amount)));
    let speaker = |place| Effect::Appoint(Office::Facilitator(place), Member(0));
    world.good(0, motion(spend(500), circle("oven")));
    assert_eq!(world.void(0, motion(spend(501), circle("oven"))), 93, "more than it may spend");
    assert_eq!(world.void(0, motion(spend(1), circle("all"))), 93, "it may not spend");
    assert_eq!(world.void(0, motion(spend(1), circle("sea"))), 93, "there is none");
    world.good(0, motion(ask(Method::Consent, speaker(0)), circle("oven")));
    assert_eq!(world.void(0, motion(ask(Method::Consent, speaker(1)), circle("oven"))), 93);
    assert_eq!(world.void(0, text(Method::CollegeWeighted, circle("oven"))), 93);
    let mut statutory = ask(Method::Headcount, Effect::Policy);
    statutory.statutory = true;
    assert_eq!(world.void(0, motion(statutory, circle("oven"))), 93);
    let remove = ask(Method::Headcount, Effect::Remove(Member(2)));
    world.good(0, motion(remove.clone(), Course::default()));
    assert_eq!(world.void(0, motion(remove, circle("oven"))), 93);
    assert_eq!(world.void(0, Act::Propose(ask(Method::Headcount, speaker(2)))), 43);
}

#[test]
fn rule_94_a_block_needs_a_reason_and_a_consent_and_a_ranking_fits_its_options() {
    let mut world = council();
    let consent = world.good(0, text(Method::Consent, Course::default()));
    let plain = world.good(0, text(Method::Headcount, Course::default()));
    assert_eq!(world.void(1, vote(consent, Choice::Block)), 94, "without a reason");
    assert_eq!(world.reasoned(1, vote(plain, Choice::Block)), Verdict::Void(Void::Answer));
    block(&mut world, 1, consent);
    let ranked = world.good(0, text(Method::Ranked, options(&["a", "b", "c"])));
    for bad in [&[][..], &[0, 3], &[1, 1]] {
        assert_eq!(world.void(0, rank(ranked, bad)), 94);
    }
    world.good(0, rank(ranked, &[2]));
    assert_eq!(world.void(0, vote(ranked, Choice::Yes)), 94, "for which?");
    world.good(0, vote(ranked, Choice::Abstain));
    let scored = world.good(0, text(Method::Score, options(&["a", "b"])));
    for bad in [&[1][..], &[1, 11], &[1, 2, 3]] {
        assert_eq!(world.void(0, rank(scored, bad)), 94);
    }
    world.good(0, rank(scored, &[10, 10]));
    assert_eq!(world.void(0, rank(plain, &[0])), 94);
}

#[test]
fn rule_95_a_circles_proposals_are_answered_by_those_in_it() {
    let mut world = council();
    let proposal = world.good(4, text(Method::Headcount, circle("oven")));
    assert_eq!(world.void(4, vote(proposal, Choice::Yes)), 95);
    world.good(1, vote(proposal, Choice::Yes));
    let (tally, _) = count(&world, &proposal);
    assert_eq!(tally.colleges[0].eligible, 3, "workers with a binding vote");
    let wide = world.good(4, text(Method::Headcount, circle("all")));
    world.good(4, vote(wide, Choice::Yes));
    assert_eq!(count(&world, &wide).0.colleges[0].eligible, 6);
}

#[test]
fn rule_96_votes_are_delegated_where_the_charter_lets_them_be_and_to_another_member() {
    let mut none = World::new();
    assert_eq!(none.void(0, delegate(1, Scope::All)), 96, "the charter allows none");
    let mut world = council();
    world.good(0, delegate(1, Scope::All));
    assert_eq!(world.void(0, delegate(0, Scope::All)), 96);
    assert_eq!(world.void(0, delegate(MACHINE, Scope::All)), 96);
    assert_eq!(world.void(0, delegate(99, Scope::All)), 96);
    assert_eq!(world.void(MACHINE, delegate(0, Scope::All)), 96);
    assert_eq!(world.void(0, delegate(1, Scope::Circle(code("sea")))), 96);
    world.good(0, delegate(1, Scope::Circle(code("oven"))));
}

#[test]
fn rule_97_the_result_is_allocated_by_a_proposal_about_it() {
    let mut world = council();
    let allocate = |matter, first, last| {
        let effect = Effect::Allocate(month(2026, first), month(2026, last));
        Act::Propose(Propose { matter, ..propose(effect) })
    };
    world.good(0, allocate(Matter::Allocation, 1, 3));
    assert_eq!(world.void(0, allocate(Matter::Ordinary, 1, 3)), 97);
    assert_eq!(world.void(0, allocate(Matter::Allocation, 3, 1)), 97);
}

#[test]
fn consent_is_given_if_enough_take_part_and_nobody_blocks() {
    let mut world = council();
    let proposal = world.good(0, text(Method::Consent, Course::default()));
    world.good(0, vote(proposal, Choice::Yes));
    world.good(1, vote(proposal, Choice::No));
    assert_eq!(count(&world, &proposal).1, Outcome::NoQuorum, "two of six");
    world.good(2, vote(proposal, Choice::No));
    assert_eq!(count(&world, &proposal).1, Outcome::Adopted, "who is against stands aside");
    let before = world.cut();
    block(&mut world, 2, proposal);
    let (tally, outcome) = count(&world, &proposal);
    assert_eq!((tally.blocks, outcome), (1, Outcome::Blocked));
    assert_eq!(count_in(&world, &proposal, &before).1, Outcome::Adopted);
    let silent = world.good(0, text(Method::Consent, Course::default()));
    for member in 0..3 {
        world.good(member, vote(silent, Choice::Abstain));
    }
    assert_eq!(count(&world, &silent).1, Outcome::Rejected);
}

#[test]
fn a_block_of_a_stage_without_a_binding_vote_is_shown_and_blocks_nothing() {
    let mut world = council();
    let proposal = world.good(0, text(Method::Consent, Course::default()));
    for member in 0..3 {
        world.good(member, vote(proposal, Choice::Yes));
    }
    block(&mut world, NOVICE, proposal);
    let (tally, outcome) = count(&world, &proposal);
    assert_eq!((tally.blocks, outcome), (0, Outcome::Adopted));
}

#[test]
fn after_a_block_the_fallback_counts_and_by_credits_those_earned_inside_the_cut() {
    let mut world = council();
    for (member, units) in [(0, 30), (1, 20), (2, 5)] {
        let id = world.good(member, Act::Contribution(work(units)));
        world.good(4, attest(id));
    }
    let proposal = world.good(0, text(Method::Consent, fallback(Method::CreditWeighted)));
    world.good(0, vote(proposal, Choice::Yes));
    block(&mut world, 1, proposal);
    let cut = world.cut();
    let late = world.good(2, Act::Contribution(work(1000)));
    world.good(4, attest(late));
    let (tally, outcome) = count_in(&world, &proposal, &cut);
    assert_eq!((tally.yes, tally.no, tally.blocks), (240, 160, 1));
    assert_eq!((tally.participation, outcome), (9_090_909_090, Outcome::Adopted));
    let (tally, outcome) = count(&world, &proposal);
    assert_eq!((tally.participation, outcome), (473_933_649, Outcome::NoQuorum));
    let heads = world.good(0, text(Method::Consent, fallback(Method::Headcount)));
    for member in [0, 2, 4] {
        world.good(member, vote(heads, Choice::Yes));
    }
    block(&mut world, 1, heads);
    let (tally, outcome) = count(&world, &heads);
    assert_eq!((tally.colleges[0].yes, tally.colleges[0].no), (3, 1), "a block is a no");
    assert_eq!(outcome, Outcome::Adopted);
}

#[test]
fn the_winner_of_a_ranking_needs_more_than_the_threshold_of_all_who_said_yes_or_no() {
    let mut world = council();
    let proposal = world.good(0, text(Method::Ranked, options(&["a", "b", "c"])));
    for (member, marks) in [(0, &[0][..]), (1, &[0]), (2, &[1]), (4, &[2, 1]), (5, &[1, 0])] {
        world.good(member, rank(proposal, marks));
    }
    let (tally, outcome) = count(&world, &proposal);
    assert_eq!((tally.winner, &*tally.options), (Some(1), &[2, 3, 0][..]));
    assert_eq!((tally.yes, tally.no), (6_000_000_000, 4_000_000_000));
    assert_eq!(outcome, Outcome::Adopted);
    world.good(6, vote(proposal, Choice::No));
    let (tally, outcome) = count(&world, &proposal);
    assert_eq!((tally.yes, outcome), (5_000_000_000, Outcome::Rejected), "half is not enough");
}

#[test]
fn the_winner_of_scores_needs_more_than_the_threshold_of_what_could_be_given() {
    let mut world = council();
    let proposal = world.good(0, text(Method::Score, options(&["a", "b"])));
    for (member, marks) in [(0, &[10, 0]), (1, &[4, 9]), (2, &[2, 6])] {
        world.good(member, rank(proposal, marks));
    }
    let (tally, outcome) = count(&world, &proposal);
    assert_eq!((tally.winner, &*tally.options), (Some(0), &[16, 15][..]));
    assert_eq!((tally.yes, outcome), (5_333_333_333, Outcome::Adopted));
    world.good(0, rank(proposal, &[8, 0]));
    let (tally, outcome) = count(&world, &proposal);
    assert_eq!((tally.winner, tally.yes, outcome), (Some(1), 5_000_000_000, Outcome::Rejected));
}

#[test]
fn a_delegated_vote_is_used_where_its_owner_cast_none_inside_the_cut() {
    let mut world = council();
    world.good(1, delegate(0, Scope::All));
    let proposal = world.good(0, text(Method::Headcount, Course::default()));
    world.good(0, vote(proposal, Choice::Yes));
    assert_eq!(count(&world, &proposal).0.colleges[0].yes, 2);
    let before = world.cut();
    world.good(1, vote(proposal, Choice::No));
    let own = count(&world, &proposal).0;
    assert_eq!((own.colleges[0].yes, own.colleges[0].no), (1, 1));
    assert_eq!(count_in(&world, &proposal, &before).0.colleges[0].yes, 2);
    let voters = world.state.votes().proposal(&proposal).unwrap();
    let voters = voters.voters(&proposal, &world.state.roll(&world.register), &before);
    assert_eq!(voters[1].proxy, Some(Member(0)));
}

#[test]
fn delegation_has_depth_one_and_a_novices_vote_carries_nobodys() {
    let mut world = council();
    world.good(2, delegate(1, Scope::All));
    world.good(1, delegate(0, Scope::All));
    world.good(4, delegate(NOVICE, Scope::All));
    world.good(NOVICE, delegate(0, Scope::All));
    let proposal = world.good(0, text(Method::Headcount, Course::default()));
    world.good(0, vote(proposal, Choice::Yes));
    world.good(NOVICE, vote(proposal, Choice::Yes));
    assert_eq!(count(&world, &proposal).0.colleges[0].yes, 2, "of 0 and of 1");
}

#[test]
fn nobody_casts_more_delegated_votes_than_the_charter_allows() {
    let mut world = council();
    for member in [1, 2, 4, 5] {
        world.good(member, delegate(0, Scope::All));
    }
    let proposal = world.good(0, text(Method::Headcount, Course::default()));
    world.good(0, vote(proposal, Choice::Yes));
    assert_eq!(count(&world, &proposal).0.colleges[0].yes, 3, "one's own and two");
    let none = world.good(0, amend(Amendment::Proxies(0), (2026, 1)));
    carry(&mut world, none);
    let cut = world.cut();
    world.good(REGISTRAR, Act::Mark(talea_protocol::act::Mark { cut }));
    let later = world.good(0, text(Method::Headcount, Course::default()));
    world.good(0, vote(later, Choice::Yes));
    assert_eq!(count(&world, &later).0.colleges[0].yes, 1);
    assert_eq!(count(&world, &proposal).0.colleges[0].yes, 3, "not retroactive");
}

#[test]
fn of_several_delegations_the_newest_that_covers_a_proposal_holds() {
    let mut world = council();
    let proposal = world.good(0, text(Method::Headcount, circle("all")));
    let other = world.good(0, text(Method::Headcount, Course::default()));
    world.good(0, vote(proposal, Choice::Yes));
    world.good(0, vote(other, Choice::Yes));
    world.good(1, vote(proposal, Choice::No));
    let no = |world: &World, of| count(world, &of).0.colleges[0].no;
    let yes = |world: &World, of| count(world, &of).0.colleges[0].yes;
    world.good(4, delegate(1, Scope::Circle(code("all"))));
    assert_eq!((no(&world, proposal), yes(&world, other)), (2, 1));
    world.good(4, delegate(0, Scope::Proposal(other)));
    assert_eq!((no(&world, proposal), yes(&world, other)), (2, 2));
    world.good(4, delegate(0, Scope::Matter(Matter::Charter)));
    assert_eq!((no(&world, proposal), yes(&world, other)), (2, 2), "of another kind");
    world.good(4, delegate(0, Scope::Matter(Matter::Ordinary)));
    assert_eq!((no(&world, proposal), yes(&world, proposal)), (1, 2));
    let (until, scope) = (world.time, Scope::All);
    world.good(4, Act::Delegate(Delegate { to: Some(Member(1)), scope, until }));
    assert_eq!(no(&world, proposal), 1, "it ends before the proposal closes");
    world.good(4, Act::Delegate(Delegate { to: None, scope: Scope::All, until: 0 }));
    assert_eq!((no(&world, proposal), yes(&world, other)), (1, 1));
}

#[test]
fn a_second_vote_takes_the_place_of_the_first_from_whatever_device() {
    let mut world = council();
    let second = world.add_key();
    let act = enrol(&world, second, 0, 0);
    world.good(REGISTRAR, Act::Enrol(act));
    let proposal = world.good(0, text(Method::Ranked, options(&["a", "b"])));
    world.good(0, rank(proposal, &[0]));
    world.good(u32::try_from(second).unwrap(), rank(proposal, &[1]));
    let (tally, _) = count(&world, &proposal);
    assert_eq!((tally.colleges[0].yes, &*tally.options), (1, &[0, 1][..]));
}

#[test]
fn a_tally_wrong_by_one_vote_of_an_option_or_one_block_is_void() {
    let mut world = council();
    let proposal = world.good(0, text(Method::Ranked, options(&["a", "b"])));
    world.good(0, rank(proposal, &[0]));
    let good = decide(&mut world, proposal);
    let with = |change: &dyn Fn(&mut Tally)| {
        let mut act = good.clone();
        change(&mut act.tally);
        Act::Decide(act)
    };
    assert_eq!(world.void(REGISTRAR, with(&|tally| tally.blocks = 1)), 64);
    assert_eq!(world.void(REGISTRAR, with(&|tally| tally.winner = Some(1))), 64);
    assert_eq!(world.void(REGISTRAR, with(&|tally| tally.options = list([2, 0]))), 64);
    assert_eq!(world.void(REGISTRAR, with(&|tally| tally.options = list([1]))), 64);
    world.good(REGISTRAR, Act::Decide(good));
}

#[test]
fn a_kind_of_decision_may_need_more_participation_than_the_quorum() {
    let mut charter = charter();
    let quorums = Quorums { charter: bp(8000), ..Quorums::default() };
    charter.council.quorums = quorums;
    let mut world = World::of(consented(charter));
    for (matter, expected) in
        [(Matter::Charter, Outcome::NoQuorum), (Matter::Ordinary, Outcome::Adopted)]
    {
        let proposal = Propose { matter, ..ask(Method::Headcount, Effect::Policy) };
        let proposal = world.good(0, Act::Propose(proposal));
        for member in 0..3 {
            world.good(member, vote(proposal, Choice::Yes));
        }
        assert_eq!(count(&world, &proposal).1, expected);
    }
}

#[test]
fn an_adopted_decision_admits_whom_it_names_once_and_nobody_else() {
    let mut world = council();
    let key = world.add_key();
    let (request, proof) = world.request(key, Kind::Person);
    let (device, kind) = (request.device, request.kind);
    let candidate = |stage| Candidate { device, kind, college: 1, stage };
    assert_eq!(
        world.void(0, Act::Propose(ask(Method::Headcount, Effect::Admit(candidate(9))))),
        43
    );
    let ask = ask(Method::Headcount, Effect::Admit(candidate(0)));
    let proposal = world.good(0, Act::Propose(ask));
    let decision = carry(&mut world, proposal);
    let welcome = |stage, decision| {
        Act::Welcome(Welcome { request: request.clone(), proof, college: 1, stage, decision })
    };
    assert!(!world.state.backs(&welcome(1, decision)), "such an entry is given no place");
    assert!(!world.state.backs(&welcome(0, EntryId([9; 32]))));
    assert!(world.state.backs(&welcome(0, decision)));
    world.good(REGISTRAR, welcome(0, decision));
    assert_eq!(world.register.members().len(), 9);
    assert!(world.register.executed(&decision));
}

/// A tenth of a second would be slow; the limit is for the slowest machine that builds this.
#[test]
fn a_thousand_members_are_counted_at_once() {
    let mut charter = charter();
    charter.sponsors = 0;
    charter.council.proxies = 5;
    let mut world = World::of(consented(charter));
    while world.register.members().len() < 1_000 {
        let key = world.add_key();
        let act = world::acts::admit(&world, key, &[]);
        world.put(REGISTRAR, Act::Admit(act));
    }
    let proposal = world.good(0, text(Method::Ranked, options(&["a", "b", "c", "d"])));
    for member in (0..1_000).filter(|member| ![NOVICE, MACHINE].contains(member)) {
        let of = u8::try_from(member % 4).unwrap();
        match member % 10 {
            0 => world.put(member, delegate(member + 1, Scope::All)),
            _ => world.put(member, rank(proposal, &[of, (of + 1) % 4])),
        };
    }
    let cut = world.cut();
    let start = std::time::Instant::now();
    let (tally, outcome) = count_in(&world, &proposal, &cut);
    let took = start.elapsed();
    println!("1,000 members counted in {took:?}");
    assert_eq!(tally.colleges[0].eligible, 998);
    assert_eq!(tally.colleges[0].yes, 998, "a tenth of them by proxy");
    assert_eq!((tally.participation, outcome), (10_000_000_000, Outcome::Adopted));
    assert!(took.as_millis() < 2_000, "{took:?}");
    world.time += 5 * DAY_MS;
    world.good(REGISTRAR, Act::Decide(Decide { proposal, cut, tally, outcome }));
}

#[test]
fn a_machine_neither_ranks_nor_blocks_nor_moves_a_motion() {
    let mut world = council();
    let proposal = world.good(0, text(Method::Ranked, options(&["a", "b"])));
    assert_eq!(world.void(MACHINE, rank(proposal, &[0])), 58);
    assert_eq!(world.void(MACHINE, text(Method::Consent, Course::default())), 58);
    let consent = world.good(0, text(Method::Consent, Course::default()));
    assert_eq!(world.reasoned(MACHINE, vote(consent, Choice::Block)), Verdict::Void(Void::Machine));
}

#[test]
fn rule_84_a_controller_has_payloads_erased_and_others_only_their_own() {
    let mut world = council();
    let erase = |entry| Act::Erase(Erase { entry, ground: code("request") });
    let given = world.good(0, Act::Contribution(work(10)));
    assert_eq!(world.void(2, erase(given)), 84);
    let office = Office::Controller;
    let ask = ask(Method::Headcount, Effect::Appoint(office, Member(2)));
    let proposal = world.good(0, Act::Propose(ask));
    let decision = carry(&mut world, proposal);
    let (holder, cut) = (Member(2), world.cut_of(&[]));
    world.good(REGISTRAR, Act::HandOver(HandOver { office, holder, decision, cut }));
    world.good(2, erase(given));
    assert_eq!(world.void(4, erase(given)), 84);
}
