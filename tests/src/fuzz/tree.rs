//! Proofs, and trees that are put together from what a store or a peer gives.

use std::sync::LazyLock;

use talea_protocol::proof::{ProofFault, verify_consistency, verify_inclusion};
use talea_protocol::tile::{TILE_WIDTH, width};
use talea_protocol::tree::{Frontier, Tree, TreeHash, leaf_hash};

use super::script::{Script, number};

/// Leaves of the tree that proofs are made in: two full tiles and a partial one.
const LEAVES: u64 = 600;

/// The tree, which has let go of nothing, and its root at each size.
static TREE: LazyLock<(Tree, Vec<TreeHash>)> = LazyLock::new(|| {
    let (mut tree, mut roots) = (Tree::default(), vec![TreeHash::EMPTY]);
    for index in 0..LEAVES {
        tree.append(leaf(index));
        roots.push(tree.root());
    }
    (tree, roots)
});

fn leaf(index: u64) -> TreeHash {
    leaf_hash(&index.to_be_bytes())
}

fn root(size: u64) -> TreeHash {
    TREE.1[usize::try_from(size).expect("small")]
}

/// Proofs as anybody may send them, and honest ones with some of it changed.
///
/// # Panics
/// If a property does not hold, as all targets here.
pub fn proof(input: &[u8]) {
    let mut script = Script::new(input);
    match script.byte() % 4 {
        0 => any_inclusion(&mut script),
        1 => any_consistency(&mut script),
        2 => honest_inclusion(&mut script),
        _ => honest_consistency(&mut script),
    }
}

fn hashes(script: &mut Script<'_>) -> Vec<TreeHash> {
    let mut hashes = Vec::new();
    while !script.is_over() && hashes.len() < 70 {
        hashes.push(TreeHash(script.array()));
    }
    hashes
}

fn any_inclusion(script: &mut Script<'_>) {
    let (index, size) = (script.number(), script.number());
    let (leaf, proof) = (TreeHash(script.array()), hashes(script));
    let verdict = verify_inclusion(&leaf, index, size, &proof, &TreeHash([0; 32]));
    let Err(ProofFault::Root { computed, .. }) = verdict else {
        let is_alone = proof.is_empty() && leaf == TreeHash([0; 32]);
        assert!(verdict.is_err() || is_alone, "a root that no hash has");
        return;
    };
    assert!(index < size && proof.len() <= 64);
    assert_eq!(verify_inclusion(&leaf, index, size, &proof, &computed), Ok(()));
    for place in 0..proof.len() {
        let changed = flipped(&proof, place, 1);
        assert!(verify_inclusion(&leaf, index, size, &changed, &computed).is_err());
    }
    assert!(verify_inclusion(&flip(leaf), index, size, &proof, &computed).is_err());
}

fn any_consistency(script: &mut Script<'_>) {
    let (old, new) = (script.number(), script.number());
    let (old_root, new_root) = (TreeHash(script.array()), TreeHash(script.array()));
    let proof = hashes(script);
    if verify_consistency(old, &old_root, new, &new_root, &proof).is_ok() {
        assert!((1..=new).contains(&old) && proof.len() <= 64);
        assert!(old < new || old_root == new_root, "two roots for one size");
        for place in 0..proof.len() {
            let changed = flipped(&proof, place, 128);
            assert!(verify_consistency(old, &old_root, new, &new_root, &changed).is_err());
        }
    }
}

fn flip(TreeHash(mut hash): TreeHash) -> TreeHash {
    hash[0] ^= 1;
    TreeHash(hash)
}

fn flipped(proof: &[TreeHash], place: usize, bit: u8) -> Vec<TreeHash> {
    let mut changed = proof.to_vec();
    changed[place].0[31] ^= bit;
    changed
}

/// What is left of the script changes the proof; only what is unchanged may hold.
fn tampered(script: &mut Script<'_>, proof: &[TreeHash]) -> Vec<TreeHash> {
    let mut changed = proof.to_vec();
    while !script.is_over() {
        let place = script.index(changed.len() + 1);
        match (script.byte() % 4, changed.get_mut(place)) {
            (0, Some(hash)) => hash.0[script.index(32)] ^= script.byte(),
            (1, Some(_)) => drop(changed.remove(place)),
            (2, Some(_)) => changed.swap(0, place),
            _ => changed.insert(place, leaf(script.number())),
        }
        changed.truncate(80);
    }
    changed
}

fn honest_inclusion(script: &mut Script<'_>) {
    let size = script.number() % LEAVES + 1;
    let index = script.number() % size;
    let proof = TREE.0.prove_inclusion(index, size, |_, _| None).expect("the tree holds all");
    let (leaf, root) = (leaf(index), root(size));
    assert_eq!(verify_inclusion(&leaf, index, size, &proof, &root), Ok(()));
    let other = (script.number() % size, script.number() % LEAVES + 1);
    let changed = tampered(script, &proof);
    if other.0 != index {
        assert!(verify_inclusion(&leaf, other.0, size, &proof, &root).is_err(), "in two places");
    }
    let holds = verify_inclusion(&leaf, index, other.1, &changed, &root).is_ok();
    // The length of a path does not always tell the size; the hashes and the root do.
    assert!(!holds || changed == proof, "another proof for the same leaf and root");
}

fn honest_consistency(script: &mut Script<'_>) {
    let new = script.number() % LEAVES + 1;
    let old = script.number() % new + 1;
    let proof = TREE.0.prove_consistency(old, new, |_, _| None).expect("the tree holds all");
    assert_eq!(verify_consistency(old, &root(old), new, &root(new), &proof), Ok(()));
    let (other, forged) = (script.number() % new + 1, flip(root(old)));
    assert!(verify_consistency(old, &forged, new, &root(new), &proof).is_err(), "a forged past");
    assert!(verify_consistency(old, &root(old), new, &forged, &proof).is_err(), "a forged log");
    if other != old {
        let moved = verify_consistency(other, &root(old), new, &root(new), &proof);
        assert!(moved.is_err(), "another size for the same root");
    }
    let changed = tampered(script, &proof);
    let holds = verify_consistency(old, &root(old), new, &root(new), &changed).is_ok();
    assert!(!holds || changed == proof, "another proof for the same two roots");
}

/// Trees restored from what a store gives, which may be anything.
pub fn restore(input: &[u8]) {
    let mut script = Script::new(input);
    let size = script.number();
    match script.byte() % 3 {
        0 => {
            let peaks = hashes(&mut script);
            let count = peaks.len();
            match Frontier::restore(size, peaks) {
                Some(frontier) => assert_eq!(frontier.size(), size),
                None => assert_ne!(u32::try_from(count), Ok(size.count_ones())),
            }
        }
        1 => {
            let mut asked = 0_u32;
            let given = script.bytes();
            // Of the up to 2,040 tiles that the largest tree asks for, the first are enough.
            let tree = Tree::restore(size, |_, _| {
                asked += 1;
                (asked <= 64).then(|| given.to_vec())
            });
            assert!(asked <= 65, "goes on without a tile");
            assert!(tree.is_err() || given.len() >= 32 || size == 0, "hashes from nowhere");
            assert!(tree.is_ok_and(|tree| tree.size() == size) || size > 0);
        }
        _ => honest_restore(size % (LEAVES + 1)),
    }
}

/// A store that kept everything gives the same tree.
fn honest_restore(size: u64) {
    let tree = Tree::restore(size, |level, index| {
        let held = TREE.0.tile(level, index)?;
        let most = usize::try_from(width(level, index, size)).ok()? * 32;
        held.get(..most).map(<[u8]>::to_vec)
    });
    let tree = tree.expect("every tile is there");
    assert_eq!((tree.size(), tree.root()), (size, root(size)));
}

/// Stories of each kind.
#[must_use]
pub fn proofs() -> Vec<Vec<u8>> {
    let hash = |n: u8| [n; 32].to_vec();
    vec![
        [vec![0], number(4), number(7), hash(1), hash(2), hash(3), hash(4)].concat(),
        [vec![1], number(3), number(7), hash(1), hash(2), hash(3), hash(4)].concat(),
        [vec![1], number(4), number(4), hash(1), hash(1)].concat(),
        [vec![2], number(599), number(256), number(3), number(9)].concat(),
        [vec![2], number(511), number(300), number(3), number(9), vec![1, 0, 5, 9]].concat(),
        [vec![3], number(599), number(255), vec![2, 3, 7]].concat(),
        [vec![3], number(300), number(99)].concat(),
    ]
}

/// Stores of each kind.
#[must_use]
pub fn stores() -> Vec<Vec<u8>> {
    let tile = vec![7; usize::try_from(TILE_WIDTH).expect("256") * 32];
    let given = super::script::bytes(&tile).expect("8,192 bytes");
    vec![
        [number(5), vec![0], vec![1; 64]].concat(),
        [number(300), vec![1], given.clone()].concat(),
        [number(u64::MAX), vec![1], given].concat(),
        [number(599), vec![2]].concat(),
        [number(256), vec![2]].concat(),
    ]
}
