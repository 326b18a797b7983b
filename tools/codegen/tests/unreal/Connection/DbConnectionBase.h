#pragma once
#include "Connection/Subscription.h"

struct FDatabaseUpdateType {};

class UDbConnectionBase : public UObject
{
public:
    using Super = UObject;
    // What the bindings have asked for.
    std::vector<std::string> Called;
    std::vector<FOnProcedureCompleteDelegate> Waiting;
    USubscriptionHandleBase* Started = nullptr;
    std::vector<std::string> Registered;
    void* UpdateContext = nullptr;

    bool TryGetIdentity(FSpacetimeDBIdentity& OutIdentity) const
    {
        OutIdentity.Number = 7;
        return true;
    }
    FSpacetimeDBConnectionId GetConnectionId() const { return {}; }
    bool IsActive() const { return true; }
    void Disconnect() {}

    template <typename Args> uint32 CallReducerTyped(const FString& Name, const Args&)
    {
        Called.push_back(Name.Text);
        return 0;
    }
    template <typename Args>
    void CallProcedureTyped(
        const FString& Name, const Args&, const FOnProcedureCompleteDelegate& Callback)
    {
        Called.push_back(Name.Text);
        Waiting.push_back(Callback);
    }

    virtual void DbUpdate(const FDatabaseUpdateType&, const FSpacetimeDBEvent&) {}
    virtual void ReducerEvent(const FReducerEvent&) {}
    virtual void ReducerEventFailed(const FReducerEvent&, const FString) {}

protected:
    template <typename Row, typename Table, typename Context>
    void RegisterTable(const FString& Name, Table*) { Registered.push_back(Name.Text); }
    void StartSubscription(USubscriptionHandleBase* Handle) { Started = Handle; }
    void ApplyRegisteredTableUpdates(const FDatabaseUpdateType&, void* Context)
    {
        UpdateContext = Context;
    }
};
