//! Where a log's hashes and leaves are found: tile addresses, their paths, and entry bundles.
//!
//! The layout is C2SP tlog-tiles with tiles 256 hashes wide: what is complete never changes and
//! can be served as a static file. Nothing here hashes; `tree` fills tiles and `proof` reads them.
//! Section 8 of the README.

use std::fmt;
use std::str::FromStr;

/// Levels of the tree that one tile spans.
pub const TILE_HEIGHT: u32 = 8;
/// Hashes in a full tile, and leaves in a full bundle.
pub const TILE_WIDTH: u64 = 1 << TILE_HEIGHT;
/// Bytes of one hash in a tile.
pub const HASH_BYTES: usize = 32;
/// Bytes of a full tile.
pub const TILE_BYTES: usize = 256 * HASH_BYTES;
/// Longest leaf, in bytes: what the length in a bundle can say.
pub const LEAF_BYTES_MAX: usize = 65_535;
/// Highest level that a path may name (tlog-tiles, "Merkle Tree").
pub const LEVEL_MAX: u8 = 63;

/// A full tile: 256 hashes side by side, which never change again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tile {
    /// 0 for leaf hashes; above, each hash is the root of a full tile of the level below.
    pub level: u8,
    /// Which tile of its level, from 0.
    pub index: u64,
    /// [`TILE_BYTES`] bytes.
    pub hashes: Vec<u8>,
}

/// How many hashes of the tile at `level` and `index` a tree of `size` leaves has: 0 to 256.
#[must_use]
pub fn width(level: u8, index: u64, size: u64) -> u64 {
    let hashes = size.checked_shr(TILE_HEIGHT * u32::from(level)).unwrap_or(0);
    hashes.saturating_sub(index.saturating_mul(TILE_WIDTH)).min(TILE_WIDTH)
}

/// What a path names: `tile/<L>/<N>[.p/<W>]` or `tile/entries/<N>[.p/<W>]`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TilePath {
    /// The level of a tile of hashes; `None` for a bundle of leaves.
    pub level: Option<u8>,
    /// Which tile of its level, or which bundle, from 0.
    pub index: u64,
    /// The width of a partial tile, 1 to 255; `None` for a full one.
    pub partial: Option<u8>,
}

impl TilePath {
    /// Hashes or leaves in what the path names, 1 to 256.
    #[must_use]
    pub fn width(&self) -> u64 {
        self.partial.map_or(TILE_WIDTH, u64::from)
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            Some(level) => write!(f, "tile/{level}/")?,
            None => f.write_str("tile/entries/")?,
        }
        write_index(f, self.index / 1000)?;
        write!(f, "{:03}", self.index % 1000)?;
        self.partial.map_or(Ok(()), |width| write!(f, ".p/{width}"))
    }
}

/// The leading elements, `x` and three digits each; nothing for zero.
fn write_index(f: &mut fmt::Formatter<'_>, thousands: u64) -> fmt::Result {
    if thousands == 0 {
        return Ok(());
    }
    write_index(f, thousands / 1000)?;
    write!(f, "x{:03}/", thousands % 1000)
}

/// Why a text is not a tile's path.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PathFault {
    /// Not `tile/`, a level or `entries`, an index, and perhaps `.p/` and a width.
    #[error("not of the form tile/<level or entries>/<index>[.p/<width>]")]
    Form,
    /// Levels go up to [`LEVEL_MAX`].
    #[error("level {0}, at most {LEVEL_MAX} is allowed")]
    Level(u8),
    /// A partial tile has 1 to 255 hashes.
    #[error("a partial width is from 1 to 255")]
    Width,
    /// The same tile has a path with other zeros.
    #[error("not the one path of its tile")]
    NotCanonical,
}

impl FromStr for TilePath {
    type Err = PathFault;

    fn from_str(path: &str) -> Result<Self, PathFault> {
        let rest = path.strip_prefix("tile/").ok_or(PathFault::Form)?;
        let (level, rest) = rest.split_once('/').ok_or(PathFault::Form)?;
        let level = if level == "entries" { None } else { Some(parse_level(level)?) };
        let (index, partial) = match rest.split_once(".p/") {
            None => (rest, None),
            Some((index, width)) => (index, Some(parse_width(width)?)),
        };
        let parsed = Self { level, index: parse_index(index)?, partial };
        // Digits were read leniently: only the path that we would write is the tile's.
        if parsed.to_string() == path { Ok(parsed) } else { Err(PathFault::NotCanonical) }
    }
}

fn parse_level(text: &str) -> Result<u8, PathFault> {
    let level = text.parse().map_err(|_| PathFault::Form)?;
    if level <= LEVEL_MAX { Ok(level) } else { Err(PathFault::Level(level)) }
}

fn parse_width(text: &str) -> Result<u8, PathFault> {
    text.parse().ok().filter(|width| *width > 0).ok_or(PathFault::Width)
}

fn parse_index(text: &str) -> Result<u64, PathFault> {
    let mut index = 0_u64;
    for element in text.split('/') {
        let digits = element.strip_prefix('x').unwrap_or(element);
        let group: u16 = digits.parse().map_err(|_| PathFault::Form)?;
        index = index
            .checked_mul(1000)
            .and_then(|index| index.checked_add(u64::from(group)))
            .ok_or(PathFault::Form)?;
    }
    Ok(index)
}

/// Why leaves and a bundle do not make each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BundleFault {
    /// The length of a leaf is written in two bytes.
    #[error("a leaf of {length} bytes, at most {LEAF_BYTES_MAX} fit in a bundle")]
    LeafTooLong {
        /// Bytes of the leaf.
        length: usize,
    },
    /// The bytes end within a leaf or before the last.
    #[error("the bundle ends within leaf {leaf} of {count}")]
    Short {
        /// The leaf that is cut off, from 0 in this bundle.
        leaf: u64,
        /// Leaves expected.
        count: u64,
    },
    /// Bytes follow the last leaf.
    #[error("{length} bytes follow the last leaf of the bundle")]
    Long {
        /// Bytes too many.
        length: usize,
    },
}

/// Appends one leaf to a bundle: its length, big-endian in two bytes, and its bytes.
///
/// # Errors
/// [`BundleFault::LeafTooLong`]; the bundle is then as it was.
pub fn push_leaf(bundle: &mut Vec<u8>, leaf: &[u8]) -> Result<(), BundleFault> {
    let length =
        u16::try_from(leaf.len()).map_err(|_| BundleFault::LeafTooLong { length: leaf.len() })?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(leaf);
    Ok(())
}

/// The `count` leaves of a bundle, without copying them.
///
/// # Errors
/// [`BundleFault::Short`] or [`BundleFault::Long`].
pub fn split_bundle(mut bundle: &[u8], count: u64) -> Result<Vec<&[u8]>, BundleFault> {
    let mut leaves = Vec::new();
    for leaf in 0..count {
        let (length, rest) =
            bundle.split_first_chunk::<2>().ok_or(BundleFault::Short { leaf, count })?;
        let (bytes, rest) = rest
            .split_at_checked(usize::from(u16::from_be_bytes(*length)))
            .ok_or(BundleFault::Short { leaf, count })?;
        leaves.push(bytes);
        bundle = rest;
    }
    if bundle.is_empty() { Ok(leaves) } else { Err(BundleFault::Long { length: bundle.len() }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_tile_has_the_path_that_the_specification_gives_it() {
        let path = |level, index, partial| TilePath { level, index, partial }.to_string();
        assert_eq!(path(Some(0), 1_234_067, None), "tile/0/x001/x234/067");
        assert_eq!(path(Some(63), 0, Some(1)), "tile/63/000.p/1");
        assert_eq!(path(None, 999, Some(255)), "tile/entries/999.p/255");
        assert_eq!(path(None, 1000, None), "tile/entries/x001/000");
    }

    #[test]
    fn a_tile_has_no_second_path() {
        for (path, fault) in [
            ("tile/0/x000/001", PathFault::NotCanonical),
            ("tile/0/1", PathFault::NotCanonical),
            ("tile/0/0001", PathFault::NotCanonical),
            ("tile/0/001/234", PathFault::NotCanonical),
            ("tile/0/x001/x234", PathFault::NotCanonical),
            ("tile/00/001", PathFault::NotCanonical),
            ("tile/+0/001", PathFault::NotCanonical),
            ("tile/0/001.p/01", PathFault::NotCanonical),
            ("tile/0/001.p/+1", PathFault::NotCanonical),
            ("tile/0/001.p/0", PathFault::Width),
            ("tile/0/001.p/256", PathFault::Width),
            ("tile/64/001", PathFault::Level(64)),
            ("tile/-1/001", PathFault::Form),
            ("tile/0/", PathFault::Form),
            ("tile/0/../../checkpoint", PathFault::Form),
            ("tile/0/x018/x446/x744/x073/x709/x551/616", PathFault::Form),
            ("/tile/0/001", PathFault::Form),
            ("tile/0/001/", PathFault::Form),
            ("", PathFault::Form),
        ] {
            assert_eq!(path.parse::<TilePath>(), Err(fault), "{path}");
        }
    }

    #[test]
    fn a_tree_of_70_000_leaves_has_the_widths_of_the_specification() {
        assert_eq!(width(0, 272, 70_000), 256);
        assert_eq!(width(0, 273, 70_000), 112);
        assert_eq!(width(0, 274, 70_000), 0);
        assert_eq!(width(1, 0, 70_000), 256);
        assert_eq!(width(1, 1, 70_000), 17);
        assert_eq!(width(2, 0, 70_000), 1);
        assert_eq!(width(3, 0, 70_000), 0);
        assert_eq!(width(8, 0, u64::MAX), 0);
        assert_eq!(width(0, u64::MAX, u64::MAX), 0);
    }

    #[test]
    fn the_longest_leaf_fits_and_one_byte_more_does_not() {
        let mut bundle = Vec::new();
        assert_eq!(push_leaf(&mut bundle, &vec![7; LEAF_BYTES_MAX]), Ok(()));
        let length = LEAF_BYTES_MAX + 1;
        assert_eq!(
            push_leaf(&mut bundle, &vec![7; length]),
            Err(BundleFault::LeafTooLong { length })
        );
        assert_eq!(split_bundle(&bundle, 1).unwrap(), [vec![7; LEAF_BYTES_MAX]]);
    }

    proptest! {
        #[test]
        fn a_path_is_read_back(level in proptest::option::of(0..=LEVEL_MAX), index: u64, partial in proptest::option::of(1..=255_u8)) {
            let path = TilePath { level, index, partial };
            prop_assert_eq!(path.to_string().parse(), Ok(path));
        }

        /// What anybody sends is refused or is a path that we would write; it never panics.
        #[test]
        fn no_text_is_a_second_path(text in "tile/(entries|[0-9]{1,3})/[x0-9/.p]{0,20}") {
            if let Ok(path) = text.parse::<TilePath>() {
                prop_assert_eq!(path.to_string(), text);
            }
        }

        #[test]
        fn a_bundle_is_its_leaves_to_the_last_byte(leaves in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..20)) {
            let mut bundle = Vec::new();
            for leaf in &leaves {
                push_leaf(&mut bundle, leaf).unwrap();
            }
            let count = u64::try_from(leaves.len()).unwrap();
            prop_assert_eq!(split_bundle(&bundle, count).unwrap(), leaves);
            let longer = [bundle.as_slice(), &[0]].concat();
            prop_assert_eq!(split_bundle(&longer, count), Err(BundleFault::Long { length: 1 }));
            prop_assert_eq!(split_bundle(&bundle, count + 1), Err(BundleFault::Short { leaf: count, count: count + 1 }));
            if let Some(short) = bundle.len().checked_sub(1) {
                prop_assert!(split_bundle(&bundle[..short], count).is_err());
            }
        }
    }
}
