//! The power fails at any operation of a change: afterwards the table has the old columns or the new ones, and every row.

use arrow_schema::DataType;
use tsds_engine::SchemaChange;
use tsds_io::SimWorld;

use crate::support::{self, TABLE};
use crate::table::{ModelSchema, text_rows};

#[test]
fn a_change_that_is_cut_short_anywhere_is_made_or_not() {
    let changes = [
        SchemaChange::add_column("n", DataType::Utf8),
        SchemaChange::widen("tiny", DataType::Int64),
        SchemaChange::rename("float", "load"),
    ];
    let old = ModelSchema::new();
    let mut new = old.clone();
    changes.iter().for_each(|change| new.apply(change));
    let (mut made, mut unmade) = (0, 0);
    for operation in 0..60 {
        let machine = SimWorld::new(operation);
        let (mut next_id, mut acknowledged) = (0, 10);
        machine.block_on(async {
            let database = support::open(&machine).await.unwrap();
            database.create_table(old.spec()).await.unwrap();
            let table = database.table(TABLE).unwrap();
            let places: Vec<_> = (0..10).map(|row| (row, 0, None, row as u8)).collect();
            let rows = old.rows(&places, false, &mut next_id);
            table.ingest(old.batch(&rows, false)).await.unwrap();
            machine.faults().crash_at_operation(machine.operations() + operation);
            let altered = table.alter(&changes).await;
            let schema = if altered.is_ok() { &new } else { &old };
            assert!(schema.is(&table.schema().unwrap()));
            let rows = schema.rows(&places, false, &mut next_id);
            if table.ingest(schema.batch(&rows, false)).await.is_ok() {
                acknowledged += 10;
            }
        });
        let machine = machine.crash();
        machine.block_on(async {
            let database = support::open(&machine).await.unwrap();
            let table = database.table(TABLE).unwrap();
            let schema = table.schema().unwrap();
            assert!(old.is(&schema) || new.is(&schema), "{schema:?}");
            if new.is(&schema) {
                made += 1
            } else {
                unmade += 1
            }
            let found = text_rows(&table.query().project(["id"]).collect().await.unwrap()).len();
            assert!(found == acknowledged || found == acknowledged + 10, "{found} of {acknowledged}");
            // It can be made now, or was.
            let again = table.alter(&[SchemaChange::add_column("n", DataType::Utf8)]).await;
            assert_eq!(again.is_ok(), old.is(&schema));
        });
    }
    assert!(made > 0 && unmade > 0, "made {made} times, not made {unmade} times");
}
