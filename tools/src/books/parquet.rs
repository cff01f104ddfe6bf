//! The books as Parquet: a row for each line of each record, for DuckDB and its like.
//!
//! Amounts are whole minor units with their decimal places beside them; a sum is exact.

use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::{Books, Transaction};
use crate::lang::Lang;

/// The columns. `number` is 0 in open months; `date` is the paper's, `booked` the books'.
pub const SCHEMA: &str = "message books {
  REQUIRED BYTE_ARRAY entry (STRING);
  REQUIRED INT32 part;
  REQUIRED INT64 number;
  REQUIRED INT32 date (DATE);
  REQUIRED INT32 booked (DATE);
  REQUIRED BYTE_ARRAY journal (STRING);
  REQUIRED BYTE_ARRAY piece (STRING);
  REQUIRED BYTE_ARRAY text (STRING);
  REQUIRED BYTE_ARRAY account (STRING);
  REQUIRED BYTE_ARRAY party (STRING);
  REQUIRED BYTE_ARRAY unit (STRING);
  REQUIRED INT64 amount;
  REQUIRED INT32 places;
}";

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub enum ParquetFault {
    /// The library says so.
    #[error(transparent)]
    Format(#[from] ParquetError),
    /// A number beyond its column, which the ledger's rule 72 keeps out.
    #[error("an amount is beyond 64 bits")]
    Range,
}

/// The file.
///
/// # Errors
/// [`ParquetFault`].
pub fn parquet(books: &Books<'_>, lang: Lang) -> Result<Vec<u8>, ParquetFault> {
    let rows: Vec<Row<'_>> = books
        .transactions
        .iter()
        .flat_map(|it| it.lines.iter().map(move |line| Row { it, line, books, lang }))
        .collect();
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let properties =
        Arc::new(WriterProperties::builder().set_created_by("talea".to_owned()).build());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties)?;
    let mut group = writer.next_row_group()?;
    texts(&mut group, &rows, |row| row.it.id.to_string())?;
    small(&mut group, &rows, |row| i32::try_from(row.it.part).ok())?;
    large(&mut group, &rows, |row| Some(row.it.number.map_or(0, i64::from)))?;
    small(&mut group, &rows, |row| Some(row.it.date.value()))?;
    small(&mut group, &rows, |row| Some(row.it.booked.value()))?;
    texts(&mut group, &rows, |row| row.it.journal.code().to_owned())?;
    texts(&mut group, &rows, |row| row.it.piece.clone())?;
    texts(&mut group, &rows, |row| row.it.text(row.lang))?;
    texts(&mut group, &rows, |row| row.line.0.code(row.books.charter().profile))?;
    texts(&mut group, &rows, |row| row.books.slugs.party(&row.line.0).unwrap_or_default())?;
    texts(&mut group, &rows, |row| row.books.commodity(row.it.unit).0)?;
    large(&mut group, &rows, |row| i64::try_from(row.line.1).ok())?;
    small(&mut group, &rows, |row| Some(i32::from(row.books.commodity(row.it.unit).1)))?;
    group.close()?;
    Ok(writer.into_inner()?)
}

struct Row<'a> {
    it: &'a Transaction,
    line: &'a (talea_ledger::account::Account, i128),
    books: &'a Books<'a>,
    lang: Lang,
}

type Group<'a> = SerializedRowGroupWriter<'a, Vec<u8>>;

fn texts(
    group: &mut Group<'_>,
    rows: &[Row<'_>],
    value: impl Fn(&Row<'_>) -> String,
) -> Result<(), ParquetFault> {
    let values: Vec<ByteArray> =
        rows.iter().map(|row| ByteArray::from(value(row).into_bytes())).collect();
    column::<ByteArrayType>(group, &values)
}

fn small(
    group: &mut Group<'_>,
    rows: &[Row<'_>],
    value: impl Fn(&Row<'_>) -> Option<i32>,
) -> Result<(), ParquetFault> {
    let values: Option<Vec<i32>> = rows.iter().map(value).collect();
    column::<Int32Type>(group, &values.ok_or(ParquetFault::Range)?)
}

fn large(
    group: &mut Group<'_>,
    rows: &[Row<'_>],
    value: impl Fn(&Row<'_>) -> Option<i64>,
) -> Result<(), ParquetFault> {
    let values: Option<Vec<i64>> = rows.iter().map(value).collect();
    column::<Int64Type>(group, &values.ok_or(ParquetFault::Range)?)
}

fn column<T: DataType>(group: &mut Group<'_>, values: &[T::T]) -> Result<(), ParquetFault> {
    if let Some(mut column) = group.next_column()? {
        column.typed::<T>().write_batch(values, None, None)?;
        column.close()?;
    }
    Ok(())
}
