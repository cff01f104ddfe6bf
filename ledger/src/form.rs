//! What the law of a country adds for a legal form: data, asked for by profile.
//!
//! No rule here and no calculation: whoever judges charters, redemptions and results reads these
//! values and knows no country. Sources are named at the values; design's domain, section 2.

use std::ops::RangeInclusive;

use talea_protocol::charter::{Category, Profile};

/// What a form asks of a cooperative.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Form {
    /// Categories of members that must each have a college.
    pub categories: &'static [Category],
    /// Least and most of a college's weight, in basis points.
    pub college_weight: RangeInclusive<u16>,
    /// Least legal reserve, in basis points of the result.
    pub legal_reserve: u16,
    /// Least legal and statutory reserve together, of 10,000 × 10,000.
    pub reserves: u32,
    /// Whether results may be refunded to members.
    pub refunds: bool,
    /// Part of the most capital there ever was that must stay, in basis points.
    pub capital_share: u16,
}

/// No country, no form.
const NONE: Form = Form {
    categories: &[],
    college_weight: 0..=10_000,
    legal_reserve: 0,
    reserves: 0,
    refunds: true,
    capital_share: 0,
};

/// Loi 47-1775: art. 19 septies (categories), 19 octies (colleges), 19 nonies (reserves, no
/// refund), 13 (a quarter of the capital stays).
const FR_SCIC: Form = Form {
    categories: &[Category::Workers, Category::Beneficiaries, Category::Others],
    college_weight: 1_000..=5_000,
    legal_reserve: 1_500,
    reserves: 57_500_000,
    refunds: false,
    capital_share: 2_500,
};

/// What a profile's form asks.
#[must_use]
pub const fn form(profile: Profile) -> &'static Form {
    match profile {
        Profile::None => &NONE,
        Profile::FrScic => &FR_SCIC,
    }
}
