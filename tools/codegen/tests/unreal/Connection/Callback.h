// What the plugin tells of events.
#pragma once
#include "BSATN/UESpacetimeDB.h"

struct FSpacetimeDBStatus
{
    bool bCommitted = true;
    FString Reason;
    bool IsCommitted() const { return bCommitted; }
    bool IsFailed() const { return !bCommitted; }
    bool IsOutOfEnergy() const { return false; }
    FString GetAsFailed() const { return Reason; }
};

struct FReducerCallInfoType
{
    FString ReducerName;
    TArray<uint8> Args;
};

struct FReducerEvent
{
    FSpacetimeDBTimestamp Timestamp;
    FSpacetimeDBStatus Status;
    FSpacetimeDBIdentity CallerIdentity;
    FSpacetimeDBConnectionId CallerConnectionId;
    FReducerCallInfoType ReducerCall;
};

struct FProcedureEvent
{
    FSpacetimeDBTimestamp Timestamp;
};

struct FSpacetimeDBEvent
{
    bool bProcedure = false;
    bool IsProcedure() const { return bProcedure; }
    FProcedureEvent GetAsProcedure() const { return {}; }
};

struct FEventContextBase { FSpacetimeDBEvent Event; };
struct FSubscriptionEventContextBase { FSpacetimeDBEvent Event; };
struct FErrorContextBase { FString Error; };

DECLARE_DELEGATE_ThreeParams(
    FOnProcedureCompleteDelegate, const FSpacetimeDBEvent&, const TArray<uint8>&, bool);
