//! What a publish would do to a database: asking the server, and asking people.

use anyhow::{Context, Result, bail};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{DeleteData, Program, PublishArguments, Query, Yes, ask_to_delete};
use crate::output::{say, wants_colour};
use crate::prompt::{typed_word, yes_or_no};
use crate::session::{Session, percent_encoded, refuse_failure};

/// The hints of an explicit migration, as the server takes them.
pub(super) fn hints(arguments: &PublishArguments) -> Result<String> {
    let pairs = |flag: &str, texts: &[String]| -> Result<Vec<(String, String)>> {
        let split = |text: &String| {
            let (left, right) = text
                .split_once('=')
                .with_context(|| format!("{flag} {text}: there is no `=`"))?;
            Ok((left.trim().to_owned(), right.trim().to_owned()))
        };
        texts.iter().map(split).collect()
    };
    let hints = json!({
        "rename": pairs("--rename", &arguments.rename)?,
        "default": pairs("--default", &arguments.default)?,
    });
    Ok(hints.to_string())
}

/// Asks the server what the update would do, and people whether they want that.
pub(super) async fn check(
    session: &Session,
    arguments: &PublishArguments,
    name: &str,
    program: &Program,
    query: &mut Query,
) -> Result<()> {
    if session.find_database(name).await?.is_none() {
        return new_database(arguments);
    }
    say("Checking for breaking changes...");
    let Some(plan) = ask(session, name, program, query).await? else {
        return new_database(arguments);
    };
    if let Some(reason) = plan["ManualMigrate"]["reason"].as_str() {
        if arguments.dry_run || arguments.migrate {
            say(reason);
            bail!("the database was not changed: it cannot be brought to this module");
        }
        accept_major_upgrade(arguments, &plan["ManualMigrate"])?;
        manual_migration(arguments, name, reason)?;
        query.push("clear", "true");
        return Ok(());
    }
    let plan = &plan["AutoMigrate"];
    let breaks_clients = plan["break_clients"].as_bool() == Some(true);
    if arguments.dry_run {
        say(plan["migrate_plan"].as_str().unwrap_or_default());
        return Ok(());
    }
    accept_major_upgrade(arguments, plan)?;
    say(plan["migrate_plan"].as_str().unwrap_or_default());
    if arguments.migrate {
        let question = "The above changes will be made to the data. Do you want to proceed?";
        if !yes_or_no(arguments.says_yes_to(Yes::Migrate), question)? {
            bail!("Aborting.");
        }
    } else if breaks_clients {
        let question = "The above changes will BREAK existing clients. Do you want to proceed?";
        if !yes_or_no(arguments.says_yes_to(Yes::BreakClients), question)? {
            bail!("Aborting.");
        }
    }
    // The token ties the update to the plan that was shown.
    match plan["token"].as_str() {
        Some(token) => {
            query.push("policy", "BreakClients");
            query.push("token", token);
        }
        None if breaks_clients => bail!("the server's plan has no token"),
        None => {}
    }
    Ok(())
}

fn new_database(arguments: &PublishArguments) -> Result<()> {
    if arguments.dry_run {
        say("A new database would be created.");
    }
    Ok(())
}

/// The server's answer; none if it knows no such database.
async fn ask(
    session: &Session,
    name: &str,
    program: &Program,
    query: &Query,
) -> Result<Option<Value>> {
    let style = match wants_colour(&std::io::stdout()) {
        true => "AnsiColor",
        false => "NoColor",
    };
    let route = format!("database/{}/pre_publish", percent_encoded(name));
    let mut parameters = vec![
        ("pretty_print_style", style),
        ("style", style),
        ("host_type", program.host_type),
    ];
    parameters.extend(query.get("migrate").map(|hints| ("migrate", hints)));
    let request = session
        .post(&route)
        .query(&parameters)
        .body(program.bytes.clone());
    let answer = session.send(request).await?;
    if answer.status() == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    let answer = refuse_failure(answer).await?;
    let text = answer.text().await.context("the answer was cut off")?;
    let plan = serde_json::from_str(&text).context("the server sent a damaged plan")?;
    Ok(Some(plan))
}

fn accept_major_upgrade(arguments: &PublishArguments, plan: &Value) -> Result<()> {
    if plan["major_version_upgrade"].as_bool() != Some(true) {
        return Ok(());
    }
    say(
        "This takes the database from a module of version 1 to one of version 2: clients of \
         version 1 will no longer be able to connect.",
    );
    let question = "Please type 'upgrade' to accept this change: ";
    if !typed_word(arguments.says_yes_to(Yes::Migrate), question, "upgrade")? {
        bail!("Aborting because the upgrade was not accepted.");
    }
    Ok(())
}

/// The data cannot be kept: goes on only if that was allowed.
pub(super) fn manual_migration(
    arguments: &PublishArguments,
    name: &str,
    reason: &str,
) -> Result<()> {
    say(reason);
    match arguments.delete_data {
        DeleteData::Never => {
            say("Aborting publish due to required manual migration.");
            bail!(
                "Aborting because publishing would require manual migration or deletion of data \
                 and --delete-data was not specified."
            )
        }
        DeleteData::OnConflict | DeleteData::Always => {
            say("Proceeding with database clear due to --delete-data=on-conflict.");
            ask_to_delete(arguments, name)
        }
    }
}

/// How an explicit migration is undone.
pub(super) fn say_way_back(name: &str, offset: u64) {
    say(format_args!(
        "Before the migration, the last transaction was {offset}. To go back to it, and lose what \
         came later:\n  \
           spacetime backup {name} --to FOLDER\n  \
           (stop the server)\n  \
           spacetime restore --from FOLDER --to DATA_DIR --database {name} --at-tx {offset} \
         --replace"
    ));
}
