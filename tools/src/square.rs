//! A slip as a square that a telephone reads from the screen.

use fast_qr::{ECL, QRBuilder};

/// The square, two rows of it in a line of text; nothing if the text is too long for one.
#[must_use]
pub fn square(text: &str) -> Option<String> {
    let square = QRBuilder::new(text).ecl(ECL::L).build().ok()?;
    Some(square.to_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_fits_a_terminal_of_80_columns_and_a_book_does_not_fit_at_all() {
        let request = format!("talea:request:{}", "A".repeat(250));
        let square = square(&request).unwrap();
        assert!(square.lines().all(|line| line.chars().count() <= 80), "{square}");
        assert!(super::square(&"A".repeat(5_000)).is_none());
    }
}
