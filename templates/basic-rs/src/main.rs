//! Shows every person in the database as they come, and adds those whose names are typed.

mod module_bindings;

use std::error::Error;

use module_bindings::*;
use spacetimedb_sdk::{DbContext, Table};

fn main() -> Result<(), Box<dyn Error>> {
    let host = setting("SPACETIMEDB_HOST", "http://localhost:3000");
    let database = setting("SPACETIMEDB_DB_NAME", "my-db");
    let connection = DbConnection::builder()
        .with_uri(host.as_str())
        .with_database_name(database.as_str())
        .on_connect(|_, identity, _| println!("connected as {identity}"))
        .on_disconnect(|_, error| match error {
            Some(error) => eprintln!("the connection was lost: {error}"),
            None => println!("disconnected"),
        })
        .build()?;

    connection
        .db
        .person()
        .on_insert(|_, person| println!("{}", person.name));
    connection
        .subscription_builder()
        .on_applied(|ctx| println!("{} people are here", ctx.db.person().count()))
        .on_error(|_, error| eprintln!("the subscription failed: {error}"))
        .add_query(|query| query.from.person())
        .subscribe();
    let running = connection.run_threaded();

    println!("type a name to add a person");
    for line in std::io::stdin().lines() {
        let name = line?.trim().to_owned();
        if !name.is_empty() {
            connection.reducers.add(name)?;
        }
    }
    // No more names: go on showing what others do.
    let _ = running.join();
    Ok(())
}

fn setting(name: &str, otherwise: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| otherwise.to_owned())
}
