//! `tsds alter`: adds, widens and renames columns of a table.

use serde::Serialize;
use tsds_engine::{ColumnInfo, Database, SchemaChange};
use tsds_traits::type_name;

use super::{closing, inspect};
use crate::arguments::Alter;
use crate::failure::{Failure, Result};
use crate::output::counted;
use crate::session::Session;

/// What was done, as `--json` prints it.
#[derive(Serialize)]
struct Altered {
    table: String,
    schema_version: u32,
    changes: Vec<String>,
    columns: Vec<ColumnInfo>,
}

/// Makes all changes, or none.
pub(super) async fn run(session: &Session, arguments: Alter) -> Result<()> {
    let changes = changes(&arguments);
    if changes.is_empty() {
        return Err(Failure::usage("there is nothing to change")
            .hint("give --widen COLUMN=TYPE, --rename COLUMN=NAME or --add NAME=TYPE"));
    }
    let database = session.open_existing().await?;
    let outcome = alter(&database, &arguments.table, &changes).await;
    let altered = closing(&database, outcome).await?;
    if arguments.json {
        return session.output.print_json(&altered);
    }
    let done = counted(altered.changes.len() as u64, "change");
    session.output.note(&format!(
        "{done} of {}, whose schema now has version {}",
        altered.table, altered.schema_version
    ));
    session.output.print(&(altered.changes.join("\n") + "\n\n" + &inspect::columns_text(&altered.columns)))
}

async fn alter(database: &Database, name: &str, changes: &[SchemaChange]) -> Result<Altered> {
    let schema = database.table(name)?.alter(changes).await?;
    let stats = database.stats().await?;
    let table = stats.tables.into_iter().find(|table| table.name == name);
    Ok(Altered {
        table: name.to_owned(),
        schema_version: schema.version().0,
        changes: changes.iter().map(described).collect(),
        columns: table.map(|table| table.columns).unwrap_or_default(),
    })
}

/// Types and names first: so every option but `--add` names columns as they are called now, and a new column can take the name
/// that another one gives up.
fn changes(arguments: &Alter) -> Vec<SchemaChange> {
    let widen = arguments.widen.iter().map(|one| SchemaChange::widen(&one.name, one.data_type.clone()));
    let rename = arguments.rename.iter().map(|one| SchemaChange::rename(&one.name, &one.to));
    let add = arguments.add.iter().map(|one| SchemaChange::add_column(&one.name, one.data_type.clone()));
    widen.chain(rename).chain(add).collect()
}

fn described(change: &SchemaChange) -> String {
    match change {
        SchemaChange::AddColumn { name, data_type, .. } => format!("added {name}, {}", type_name(data_type)),
        SchemaChange::Widen { column, data_type } => format!("{column} is {} now", type_name(data_type)),
        SchemaChange::Rename { column, to } => format!("{column} is called {to} now"),
        other => format!("{other:?}"),
    }
}
