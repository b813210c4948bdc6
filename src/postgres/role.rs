//! Whether the role that we connect as may do what it must, and no more: whether row security holds for it.

use sqlx::PgConnection;

/// Why row security does not hold for a role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unbound {
    /// Superusers pass every check.
    #[error("is a superuser")]
    Superuser,
    /// It has the attribute.
    #[error("has BYPASSRLS")]
    BypassesRowSecurity,
    /// An owner, or a member of the owner's role, can take the policies away.
    #[error("owns the table `{0}`")]
    OwnsTable(String),
}

/// Why row security does not hold for the connection's role; `None` if it does.
pub async fn unbound(connection: &mut PgConnection) -> Result<Option<Unbound>, sqlx::Error> {
    let (is_superuser, bypasses, owned): (bool, bool, Option<String>) = sqlx::query_as(
        "select rolsuper, rolbypassrls,
             (select relname::text from pg_class
              where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace and pg_has_role(relowner, 'member')
              order by relname limit 1)
         from pg_roles where rolname = current_user",
    )
    .fetch_one(connection)
    .await?;
    Ok(match owned {
        _ if is_superuser => Some(Unbound::Superuser),
        _ if bypasses => Some(Unbound::BypassesRowSecurity),
        owned => owned.map(Unbound::OwnsTable),
    })
}

/// The first table that the connection's role may not read, as it is before `credenza migrate` has seen the role; `None` if
/// it may read all.
pub async fn unreadable_table(connection: &mut PgConnection) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar(
        "select relname::text from pg_class
         where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace
             and not has_table_privilege(oid, 'select')
         order by relname limit 1",
    )
    .fetch_optional(connection)
    .await
}
