//! Contributions added up: by stream, by task, by tag, by member, by job.

use std::collections::BTreeMap;

use serde_json::json;
use talea_ledger::view::contributions::{Given, contributions};
use talea_protocol::hash::EntryId;

use super::{Cell, Report, sheet, text, word};
use crate::table::Align::{Left, Right};
use crate::verify::Sum;
use crate::verify::text::handle;

/// What contributions that belong together add up to.
#[derive(Clone, Default)]
struct Added {
    entries: Vec<EntryId>,
    livelihood: i128,
    love: i128,
    care: i128,
}

/// Every way of grouping, and the key of its title. A contribution with several tags is in each.
type Group = fn(&Sum, &Given) -> Vec<Cell>;

const GROUPS: [(&str, &str, Group); 5] = [
    ("stream", "col-stream", |_, given| vec![word(&given.act.stream)]),
    ("task", "col-task", |_, given| vec![text(&given.act.task)]),
    ("tag", "col-tag", |_, given| given.act.tags.iter().map(text).collect()),
    ("job", "col-job", |_, given| given.act.job.iter().map(|job| text(&job.code)).collect()),
    ("member", "col-member", |sum, given| vec![text(handle(sum, given.author))]),
];

/// The contributions that count, added up in each way.
#[must_use]
pub fn given_by(sum: &Sum) -> Report {
    let all = contributions(&sum.state);
    let (mut tables, mut values) = (Vec::new(), serde_json::Map::new());
    for (name, title, group) in GROUPS {
        let mut sums: BTreeMap<String, (Cell, Added)> = BTreeMap::new();
        for given in &all {
            for cell in group(sum, given) {
                let key = format!("{cell:?}");
                let (_, added) = sums.entry(key).or_insert((cell, Added::default()));
                added.entries.push(given.id);
                added.livelihood += i128::from(given.livelihood);
                added.love += i128::from(given.love);
                added.care += i128::from(given.care);
            }
        }
        let value = |(cell, it): &(Cell, Added)| {
            let what = match cell {
                Cell::Word(word) => word.trim_start_matches("word-").to_owned(),
                other => other.shown(crate::lang::Lang::En),
            };
            json!({ "what": what, "contributions": it.entries.len(), "livelihood": it.livelihood, "love": it.love, "care": it.care })
        };
        values.insert(name.to_owned(), sums.values().map(value).collect());
        let row = |(cell, it): (Cell, Added)| {
            let credits = |amount| Cell::Number(amount, 2);
            let (livelihood, love) = (credits(it.livelihood), credits(it.love));
            vec![cell, livelihood, love, Cell::Number(it.care, 0), Cell::Entries(it.entries)]
        };
        let columns = [
            (title, Left),
            ("col-livelihood", Right),
            ("col-love", Right),
            ("col-care-minutes", Right),
            ("col-contributions", Left),
        ];
        let rows = sums.into_values().map(row).collect();
        tables.push(sheet(("title-given-by", Cell::Word(title.to_owned())), &columns, rows));
    }
    Report { tables, json: values.into() }
}
