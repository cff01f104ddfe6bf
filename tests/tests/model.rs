//! What real replicas do.
use talea_ledger::replica::Reply;
use talea_protocol::act::{Act, Contribution, Mark, Stream};
use talea_protocol::bytes::{Code, Day, List, Quantity};
use talea_protocol::recovery::Revoke;
use talea_tests::model::races::Stage;
use talea_tests::model::roster::Shape;

fn work(minutes: i64) -> Act {
    let day = Day::new(20_455).unwrap();
    Act::Contribution(Contribution {
        stream: Stream::Love,
        task: Code::try_from("bake").unwrap(),
        quantity: Quantity::new(minutes).unwrap(),
        begin: day,
        end: day,
        job: None,
        tags: List::default(),
    })
}
const THREE: Shape = Shape { nodes: 3, faulty: 0, quorum: 2 };

#[test]
fn x1_after_heal_other_branch() {
    let mut s = Stage::new(THREE, 3);
    let c = s.cooperative;
    let zero = talea_protocol::hash::EntryId::ZERO;
    let (mut a, mut b) = (s.entry(1, 0, zero, c, &work(1)), s.entry(1, 0, zero, c, &work(2)));
    if a.id() > b.id() { std::mem::swap(&mut a, &mut b); }
    println!("{:?}", s.submit(0, &b));
    println!("{:?}", s.submit(2, &a));
    // node 1 hears of the proof alone: submit both? use meeting 0-2 then told.
    s.net.link(1, 0); s.net.cut(1, 0);
    // told by gossip: node 2 learns b from node 0
    s.meet(0, 2);
    println!("forks {:?}", s.net.nodes.iter().map(|n| n.replica.freezes().forks().count()).collect::<Vec<_>>());
    s.meet(1, 2);
    println!("forks {:?}", s.net.nodes.iter().map(|n| n.replica.freezes().forks().count()).collect::<Vec<_>>());
    println!("n1 {:?} a {} b {}", s.chain(1, 1), a.id(), b.id());
    let heal = s.heal(&[0, 1], 1, 0, Some(b.id())).unwrap();
    let heal = s.entry(0, 1, c, c, &heal);
    println!("heal at 1: {:?}", s.submit(1, &heal));
    println!("n1 {:?}", s.chain(1, 1));
    println!("{:#?}", s.state());
    println!("{:?}", s.judge());
    s.meet(1, 2);
    for n in 0..3 { println!("n{n} {:?}", s.chain(n, 1)); }
    println!("{:?}", s.judge());
    s.join(6000);
    for n in 0..3 { println!("n{n} {:?}", s.chain(n, 1)); }
    println!("{:?}", s.judge());
}
