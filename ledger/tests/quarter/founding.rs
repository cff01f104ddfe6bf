//! The worked quarter's file: its values, its calendar, and the charter that it founds with.

use serde_json::Value;
use talea_protocol::bytes::{Bp, Code, Day, Month};
use talea_protocol::charter::{Charter, College, Formula, Founder, Kind, Rate, Stage, Tier};
use talea_protocol::council::{Council, Milestone};

use super::world::{self, bp, charter, code, day, key, list};

/// In the file's order: workers, beneficiaries, others.
pub const COLLEGES: [&str; 3] = ["production", "usagers", "soutien"];

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

pub fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

pub fn u16_of(value: &Value) -> u16 {
    u16::try_from(number(value)).unwrap()
}

pub fn u32_of(value: &Value) -> u32 {
    u32::try_from(number(value)).unwrap()
}

pub fn share(value: &Value) -> Bp {
    bp(u16_of(value))
}

/// Days since 1970 of `2026-01-31`.
pub fn date(text: &str) -> Day {
    let [year, month, of_month] =
        text.split('-').map(|part| part.parse::<i32>().unwrap()).collect::<Vec<_>>()[..]
    else {
        panic!("{text}")
    };
    let leap = |year: i32| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let years: i32 = (1970..year).map(|year| 365 + i32::from(leap(year))).sum();
    let february = 28 + i32::from(leap(year));
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let months: i32 = months.iter().take(usize::try_from(month - 1).unwrap()).sum();
    day(years + months + of_month - 1)
}

/// A month of `2026-01`.
pub fn period(text: &str) -> Month {
    let (year, month) = text.split_once('-').unwrap();
    world::month(year.parse().unwrap(), month.parse().unwrap())
}

pub fn place<T>(keys: impl IntoIterator<Item = T>, name: &str) -> u8
where
    T: AsRef<str>,
{
    u8::try_from(keys.into_iter().position(|key| key.as_ref() == name).unwrap()).unwrap()
}

pub fn codes(value: &Value) -> Vec<(Code, &Value)> {
    value.as_object().unwrap().iter().map(|(name, value)| (code(name), value)).collect()
}

pub fn quarter() -> Value {
    serde_json::from_str(include_str!("../../../tests/data/passerelles-q1.json")).unwrap()
}

pub fn charter_of(quarter: &Value) -> Charter {
    let given = &quarter["charter_genesis"];
    let base = charter();
    let stages: Vec<String> = given["vesting_bp"].as_object().unwrap().keys().cloned().collect();
    let college = |(college, name): (&College, &str)| College {
        code: code(name),
        weight: share(&given["colleges"][name]),
        category: college.category,
    };
    let stage = |(code, of): (Code, &Value)| Stage {
        code,
        livelihood: share(&of["livelihood"]),
        love: share(&of["love"]),
        care: share(&of["care"]),
        binding_vote: of["binding_vote"].as_bool().unwrap(),
    };
    let word = |(task, credits): (Code, &Value)| Rate {
        task,
        unit: code("word"),
        credits: u32_of(credits),
    };
    let care = Rate { task: code("care"), unit: code("minute"), credits: 0 };
    let tier = |(code, price): (Code, &Value)| Tier { code, price: u32_of(price) };
    let founder = |(n, member): (usize, &Value)| Founder {
        college: place(COLLEGES, text(&member["college"])),
        stage: place(&stages, text(&member["stage"])),
        kind: if member["kind"] == "person" { Kind::Person } else { Kind::Organisation },
        device: key(n).device(),
        ..base.founders[0].clone()
    };
    let formula = &given["formula"];
    Charter {
        colleges: list(base.colleges.iter().zip(COLLEGES).map(college)),
        stages: list(codes(&given["vesting_bp"]).into_iter().map(stage)),
        founders: list(quarter["members"].as_object().unwrap().values().enumerate().map(founder)),
        quorum: share(&given["quorum_bp"]),
        rates: list(codes(&given["rates_centi_per_word"]).into_iter().map(word).chain([care])),
        love_minimum: u32_of(&given["min_love_centi_per_quarter"]),
        // One delegated vote for a member; a stage is come to on the registrar's word.
        council: Council {
            proxies: 1,
            milestones: list((0..u8::try_from(stages.len()).unwrap()).map(|stage| Milestone {
                stage,
                words: 0,
                credits: 0,
            })),
            ..Council::default()
        },
        internal_price: u32_of(&given["internal_price_cents_per_word"]),
        tiers: list(codes(&given["price_tiers_cents_per_word"]).into_iter().map(tier)),
        formula: Formula {
            retain: share(&formula["retain_bp"]),
            care: share(&formula["care_bp"]),
            livelihood: share(&formula["livelihood_bp"]),
            ..base.formula
        },
        ..base
    }
}
