//! "Did you mean": the directory's code that differs from a wrong one only in case or by one edit.

use sqlx::PgConnection;

/// The closest code of the directory; `None` if the code is in the directory or nothing is close.
pub async fn hint(connection: &mut PgConnection, wrong: &str) -> Result<Option<String>, sqlx::Error> {
    // Postgres refuses NUL in text; such a code is close to none.
    if wrong.contains('\0') {
        return Ok(None);
    }
    // One edit changes the length by one at most; lower() may change it more, but only in both alike.
    let codes: Vec<String> = sqlx::query_scalar(
        "select code from suppliers
         where abs(char_length(code) - char_length($1)) <= 1 or lower(code) = lower($1)
         order by code",
    )
    .bind(wrong)
    .fetch_all(connection)
    .await?;
    Ok(closest(&codes, wrong))
}

/// Equal but for case goes before one edit away; among equals the first wins.
fn closest(codes: &[String], wrong: &str) -> Option<String> {
    if codes.iter().any(|code| code == wrong) {
        return None;
    }
    let folded = wrong.to_lowercase();
    let same_but_case = codes.iter().find(|code| code.to_lowercase() == folded);
    let one_edit = || codes.iter().find(|code| strsim::osa_distance(code, wrong) == 1);
    same_but_case.or_else(one_edit).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_goes_before_an_edit_and_two_edits_are_too_far() {
        let codes = ["HIT", "HITS", "SanMar", "SanMarCA"].map(str::to_owned);
        let hint = |wrong| closest(&codes, wrong);
        assert_eq!(hint("hit").as_deref(), Some("HIT"));
        assert_eq!(hint("sanmar").as_deref(), Some("SanMar"));
        assert_eq!(hint("SanMr").as_deref(), Some("SanMar"));
        assert_eq!(hint("SanMra").as_deref(), Some("SanMar"));
        assert_eq!(hint("SanMarC").as_deref(), Some("SanMar"));
        assert_eq!(hint("HIT"), None);
        assert_eq!(hint("Snmr"), None);
        assert_eq!(hint(""), None);
    }
}
