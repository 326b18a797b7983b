// Uses the bindings of the module `procedures` as a game does, and plays the server's part.
#include "all.cpp"

#include <cstdio>
#include <cstdlib>

#define CHECK(condition) \
    if (!(condition)) \
    { \
        std::printf("line %d: %s\n", __LINE__, #condition); \
        std::exit(1); \
    }

struct Game : public UObject
{
    int Outcomes = 0;
    int Unhandled = 0;
    int Connections = 0;
    int Applied = 0;
    int Refused = 0;
    int Sum = 0;
    FString Last;

    void OnOutcome(const FReducerEventContext& Context, const FString& Text)
    {
        Outcomes += 1;
        Last = Context.Event.Status.IsFailed() ? Context.Event.Status.GetAsFailed() : "committed";
        CHECK(Context.Reducers && Context.Db && Context.Procedures);
        FSpacetimeDBIdentity Identity;
        CHECK(Context.TryGetIdentity(Identity) && Identity.Number == 7);
        CHECK(Context.IsActive() && Context.SubscriptionBuilder());
    }
    void OnUnhandled(const FReducerEventContext& Context, const FString& Error)
    {
        Unhandled += 1;
        Last = Error;
    }
    void OnSum(const FProcedureEventContext& Context, uint64 Result, bool bSuccess)
    {
        CHECK(Context.Procedures);
        Sum = bSuccess ? static_cast<int>(Result) : -1;
    }
    void OnConnect(UDbConnection* Connection, FSpacetimeDBIdentity Identity, const FString& Token)
    {
        CHECK(Connection && Identity.Number == 9 && Token == "token");
        Connections += 1;
    }
    void OnDisconnect(UDbConnection* Connection, const FString& Error)
    {
        CHECK(Connection && Error == "gone");
        Connections -= 1;
    }
    void OnApplied(FSubscriptionEventContext Context)
    {
        CHECK(Context.Db);
        Applied += 1;
    }
    void OnError(FErrorContext Context)
    {
        CHECK(Context.Error == "no such table");
        Refused += 1;
    }
};

static FReducerEvent Event(const char* Name, const char* Error)
{
    FReducerEvent Made;
    Made.ReducerCall.ReducerName = Name;
    Made.Status.bCommitted = !Error;
    Made.Status.Reason = Error ? Error : "";
    return Made;
}

int main()
{
    Game Player;
    auto* Connection = NewObject<UDbConnection>();
    UDbConnectionBuilderBase::Next = Connection;

    FOnConnectDelegate Connected;
    Connected.BindDynamic(&Player, &Game::OnConnect);
    FOnDisconnectDelegate Disconnected;
    Disconnected.BindDynamic(&Player, &Game::OnDisconnect);
    UDbConnectionBuilder* Builder = UDbConnection::Builder()
        ->WithUri(TEXT("127.0.0.1:3000"))
        ->WithDatabaseName(TEXT("game"))
        ->WithCompression(ESpacetimeDBCompression::Gzip)
        ->OnConnect(Connected)
        ->OnDisconnect(Disconnected);
    CHECK(Builder->Build() == Connection && Builder->Name == "game");
    // What the plugin's classes do is asked of them.
    UDbConnectionBuilderBase* Base = Builder;
    FSpacetimeDBIdentity Nine;
    Nine.Number = 9;
    Base->Connected.ExecuteIfBound(Connection, Nine, "token");
    CHECK(Player.Connections == 1);
    Base->Disconnected.ExecuteIfBound(Connection, "gone");
    CHECK(Player.Connections == 0);

    UDbConnectionBase* Server = Connection;

    // A call, and what became of it: committed, failed, failed with nobody to listen.
    Connection->Reducers->Write(TEXT("note"));
    CHECK(Connection->Called.back() == "write");
    Connection->OnUnhandledReducerError.AddDynamic(&Player, &Game::OnUnhandled);
    UE::SpacetimeDB::Next = FWriteArgs{};
    Server->ReducerEvent(Event("write", nullptr));
    CHECK(Player.Outcomes == 0 && Player.Unhandled == 0);
    Server->ReducerEvent(Event("write", "too many"));
    CHECK(Player.Unhandled == 1 && Player.Last == "too many");
    Connection->Reducers->OnWrite.AddDynamic(&Player, &Game::OnOutcome);
    Server->ReducerEvent(Event("write", nullptr));
    CHECK(Player.Outcomes == 1 && Player.Last == "committed");
    Server->ReducerEvent(Event("write", "too many"));
    CHECK(Player.Outcomes == 2 && Player.Last == "too many" && Player.Unhandled == 1);
    Server->ReducerEventFailed(Event("nobody", "x"), "unknown");
    CHECK(Player.Unhandled == 2 && Player.Last == "unknown");

    // A procedure, what it returns, and one that fails.
    FOnAddComplete Done;
    Done.BindDynamic(&Player, &Game::OnSum);
    Connection->Procedures->Add(3, 4, Done);
    CHECK(Connection->Called.back() == "add");
    UE::SpacetimeDB::Next = uint64(7);
    FSpacetimeDBEvent Answer;
    Answer.bProcedure = true;
    Connection->Waiting.back().ExecuteIfBound(Answer, {}, true);
    CHECK(Player.Sum == 7);
    Connection->Waiting.back().ExecuteIfBound(Answer, {}, false);
    CHECK(Player.Sum == -1);

    // Rows come with a context that says what has happened.
    Server->DbUpdate({}, {});
    CHECK(Connection->UpdateContext && !Connection->Registered.empty());

    // A subscription that is applied, and one that is refused.
    FOnSubscriptionApplied Applied;
    Applied.BindDynamic(&Player, &Game::OnApplied);
    FOnSubscriptionError Failed;
    Failed.BindDynamic(&Player, &Game::OnError);
    USubscriptionHandle* Handle =
        Connection->SubscriptionBuilder()->OnApplied(Applied)->OnError(Failed)->SubscribeToAllTables();
    CHECK(Connection->Started == Handle);
    CHECK(Handle->Queries.Items.size() == Connection->Registered.size());
    USubscriptionHandleBase* Subscribed = Handle;
    Subscribed->Applied.ExecuteIfBound({});
    FErrorContextBase Error;
    Error.Error = "no such table";
    Subscribed->Failed.ExecuteIfBound(Error);
    CHECK(Player.Applied == 1 && Player.Refused == 1);
    std::printf("played\n");
}
