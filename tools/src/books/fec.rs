//! The French *fichier des écritures comptables*: article A. 47 A-1 of the Livre des procédures
//! fiscales. 18 columns, tabs, comma decimals, AAAAMMJJ, numbers without a gap.
//!
//! Only closed months are in it: what can still change has no number. An ordinary ledger's export,
//! not that of a certified system. It is always in French.

use talea_ledger::account::{Account, Party};
use talea_protocol::bytes::Day;
use talea_protocol::charter::Profile;

use super::{Books, Transaction};
use crate::amount::show_day;
use crate::lang::{Lang, decimal};
use crate::table::plain;

/// The columns, in the order of the article.
pub const COLUMNS: [&str; 18] = [
    "JournalCode",
    "JournalLib",
    "EcritureNum",
    "EcritureDate",
    "CompteNum",
    "CompteLib",
    "CompAuxNum",
    "CompAuxLib",
    "PieceRef",
    "PieceDate",
    "EcritureLib",
    "Debit",
    "Credit",
    "EcritureLet",
    "DateLet",
    "ValidDate",
    "Montantdevise",
    "Idevise",
];

/// Why there is no such file.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FecFault {
    /// Another plan of accounts.
    #[error("the FEC is for the French plan of accounts: profile fr-scic")]
    Profile,
    /// Nothing is final.
    #[error("no month is closed: only what is closed has a number")]
    Open,
}

/// The file, and how many transactions of open months are not in it.
///
/// # Errors
/// [`FecFault`].
pub fn fec(books: &Books<'_>) -> Result<(String, usize), FecFault> {
    if books.charter().profile != Profile::FrScic {
        return Err(FecFault::Profile);
    }
    let mut out = format!("{}\n", COLUMNS.join("\t"));
    let mut left = 0;
    for transaction in books.money() {
        match (transaction.number, transaction.closed) {
            (Some(number), Some(closed)) => {
                for line in &transaction.lines {
                    out.push_str(&row(books, transaction, number, closed, line));
                }
            }
            _ => left += 1,
        }
    }
    if books.money().all(|it| it.number.is_none()) { Err(FecFault::Open) } else { Ok((out, left)) }
}

/// What the file should be called: the SIREN, `FEC`, the last closed day.
#[must_use]
pub fn fec_name(books: &Books<'_>, siren: &str) -> Option<String> {
    let last = books.money().filter(|it| it.number.is_some()).map(|it| it.booked).max()?;
    Some(format!("{siren}FEC{}.txt", compact(last)))
}

fn row(
    books: &Books<'_>,
    it: &Transaction,
    number: u32,
    closed: Day,
    (account, amount): &(Account, i128),
) -> String {
    let (lang, places) = (Lang::Fr, books.charter().exponent);
    let code = account.code(books.charter().profile);
    let (aux, aux_name) = auxiliary(books, account);
    let money = |amount: i128| decimal(amount, places).replace('.', ",");
    let text = Some(it.text(lang)).filter(|text| !text.trim().is_empty());
    let cells = [
        it.journal.code().to_owned(),
        lang.say(it.journal.key()),
        number.to_string(),
        compact(it.booked),
        code.clone(),
        account_name(&code),
        aux,
        aux_name,
        it.piece.clone(),
        compact(it.date),
        text.unwrap_or_else(|| it.piece.clone()),
        money((*amount).max(0)),
        money((-*amount).max(0)),
        String::new(),
        String::new(),
        compact(closed),
        String::new(),
        String::new(),
    ];
    let cells = cells.map(|cell| plain(&cell).replace(['\t', '|', '"'], " "));
    format!("{}\n", cells.join("\t"))
}

fn auxiliary(books: &Books<'_>, account: &Account) -> (String, String) {
    let Some(party) = account.party() else { return Default::default() };
    let name = match &party {
        Party::Member(member) => books.sum.names.name(&books.sum.register, *member),
        Party::Client(code) => code.to_string(),
    };
    (books.slugs.of(&party).to_ascii_uppercase(), name)
}

/// The name of an account of the French plan, by the longest part of its number that has one.
#[must_use]
pub fn account_name(code: &str) -> String {
    let begins = |(number, _): &&(&str, &str)| code.starts_with(number);
    let named = PLAN.iter().filter(begins).max_by_key(|(number, _)| number.len());
    named.map_or_else(|| format!("Compte {code}"), |(_, name)| (*name).to_owned())
}

/// Plan comptable général (règlement ANC 2014-03), what a cooperative of services needs of it.
const PLAN: [(&str, &str); 31] = [
    ("1013", "Capital souscrit appelé versé"),
    ("104", "Primes liées au capital social"),
    ("106", "Réserves"),
    ("1061", "Réserve légale"),
    ("1063", "Réserves statutaires ou contractuelles"),
    ("11", "Report à nouveau"),
    ("12", "Résultat de l'exercice"),
    ("401", "Fournisseurs"),
    ("411", "Clients"),
    ("455", "Associés - comptes courants"),
    ("467", "Membres - sommes dues"),
    ("512", "Banque"),
    ("60", "Achats"),
    ("606", "Achats non stockés de matières et fournitures"),
    ("61", "Services extérieurs"),
    ("611", "Rémunération des membres"),
    ("613", "Locations"),
    ("616", "Primes d'assurances"),
    ("62", "Autres services extérieurs"),
    ("622", "Rémunérations d'intermédiaires et honoraires"),
    ("6226", "Honoraires"),
    ("625", "Déplacements, missions et réceptions"),
    ("626", "Frais postaux et de télécommunications"),
    ("627", "Services bancaires et assimilés"),
    ("628", "Divers services extérieurs"),
    ("63", "Impôts, taxes et versements assimilés"),
    ("64", "Charges de personnel"),
    ("65", "Autres charges de gestion courante"),
    ("66", "Charges financières"),
    ("706", "Prestations de services"),
    ("74", "Subventions"),
];

/// `20260131`.
fn compact(day: Day) -> String {
    show_day(day).replace('-', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_called_by_the_longest_number_that_has_a_name() {
        assert_eq!(account_name("622600"), "Honoraires");
        assert_eq!(account_name("629000"), "Autres services extérieurs");
        assert_eq!(account_name("999999"), "Compte 999999");
    }
}
