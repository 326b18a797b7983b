// What the bindings use of the .NET SDK, without anything behind it.
using System;
using System.Collections.Generic;
using System.Numerics;

namespace SpacetimeDB
{
    [AttributeUsage(AttributeTargets.All)]
    public sealed class TypeAttribute : Attribute { }

    public struct Unit { }
    public struct Identity { public U256 Value; }
    public struct ConnectionId { public U128 Value; }
    public struct Timestamp { public long Micros; }
    public struct TimeDuration { public long Micros; }
    public struct Uuid { public U128 Value; }
    public struct I128 { public BigInteger Number; }
    public struct U128 { public BigInteger Number; }
    public struct I256 { public BigInteger Number; }
    public struct U256 { public BigInteger Number; }

    // What `T?` is for a class: the test writes it so, for older versions of C# would forget it.
    public interface IOpt
    {
        object Boxed { get; }
    }
    public struct Opt<T> : IOpt
    {
        private readonly T value;
        public Opt(T value) { this.value = value; }
        public object Boxed => value;
        public static implicit operator Opt<T>(T value) => new Opt<T>(value);
    }

    // The real one takes the variants as a tuple; see how the test rewrites it.
    public abstract class TaggedEnum
    {
        public int Tag;
        public object Value;
    }
    public class ScheduleAt : TaggedEnum
    {
        public (TimeDuration Interval, Timestamp Time) variants;
    }
    public class Result<Ok, Err> : TaggedEnum
    {
        public (Ok OkR, Err ErrR) variants;
    }

    public class Status : TaggedEnum
    {
        public class Failed : Status
        {
            public void Deconstruct(out string reason) { reason = ""; }
        }

        public class OutOfEnergy : Status { }
    }

    public class Event<Reducer> { }
    public class ReducerEvent<Reducer>
    {
        public Status Status;
    }
    public class ProcedureEvent { }

    public interface IQuery<Row>
    {
        string ToSql();
    }

    public class Table<Row, Cols, IxCols> : IQuery<Row>
    {
        public Table(string name, Cols cols, IxCols ixCols) { }
        public string ToSql() => "";
    }

    public class Col<Row, Value>
    {
        public Col(string table, string column) { }
    }
    public class NullableCol<Row, Value>
    {
        public NullableCol(string table, string column) { }
    }
    public class IxCol<Row, Value>
    {
        public IxCol(string table, string column) { }
    }
    public class NullableIxCol<Row, Value>
    {
        public NullableIxCol(string table, string column) { }
    }

    public interface IEventContext { }
    public interface IReducerEventContext { }
    public interface ISubscriptionEventContext { }
    public interface IErrorContext { }
    public interface IProcedureEventContext { }

    public interface IReducerArgs
    {
        string ReducerName { get; }
    }
    public interface IProcedureArgs
    {
        string ProcedureName { get; }
    }

    public class ProcedureCallbackResult<T>
    {
        public bool IsSuccess;
        public T Value;
        public Exception Error;
        public static ProcedureCallbackResult<T> Success(T value) => null;
        public static ProcedureCallbackResult<T> Failure(Exception error) => null;
    }
    public delegate void ProcedureCallback<T>(
        IProcedureEventContext ctx,
        ProcedureCallbackResult<T> result
    );

    public interface IDbConnection
    {
        void InternalCallReducer<Args>(Args args) where Args : IReducerArgs, new();
        void InternalCallProcedure<Args, Return>(Args args, ProcedureCallback<Return> callback)
            where Args : IProcedureArgs, new()
            where Return : new();
    }

    public interface IDbContext<TTables, TReducers, TSubscriptionBuilder, TProcedures>
    {
        TTables Db { get; }
        TReducers Reducers { get; }
        TProcedures Procedures { get; }
        bool IsActive { get; }
        void Disconnect();
        TSubscriptionBuilder SubscriptionBuilder();
        Identity? Identity { get; }
        ConnectionId ConnectionId { get; }
    }

    public abstract class DbConnectionBase<DbConnection, Tables, Reducer> : IDbConnection
    {
        public abstract Tables Db { get; }
        public bool IsActive => false;
        public void Disconnect() { }
        public Identity? Identity => null;
        public ConnectionId ConnectionId => default(ConnectionId);
        public void InternalCallReducer<Args>(Args args) where Args : IReducerArgs, new() { }
        public void InternalCallProcedure<Args, Return>(Args args, ProcedureCallback<Return> callback)
            where Args : IProcedureArgs, new()
            where Return : new() { }
        protected abstract IEventContext ToEventContext(Event<Reducer> what);
        protected abstract IReducerEventContext ToReducerEventContext(ReducerEvent<Reducer> what);
        protected abstract ISubscriptionEventContext MakeSubscriptionEventContext();
        protected abstract IErrorContext ToErrorContext(Exception what);
        protected abstract IProcedureEventContext ToProcedureEventContext(ProcedureEvent what);
        protected abstract bool Dispatch(IReducerEventContext context, Reducer reducer);
    }

    public class SubscriptionHandleBase<SubscriptionEventContext, ErrorContext>
    {
        public SubscriptionHandleBase(
            IDbConnection conn,
            Action<SubscriptionEventContext> onApplied,
            Action<ErrorContext, Exception> onError,
            string[] queries
        ) { }
    }

    public class RemoteBase
    {
        protected readonly IDbConnection conn;
        protected RemoteBase(IDbConnection conn) { this.conn = conn; }
    }

    public interface IRemoteTableHandle { }

    public class RemoteTablesBase
    {
        protected void AddTable(IRemoteTableHandle table) { }
    }

    public abstract class AnyTableHandle<EventContext, Row> : IRemoteTableHandle
    {
        protected AnyTableHandle(IDbConnection conn) { }
        protected abstract string RemoteTableName { get; }
        public int Count => 0;
        public IEnumerable<Row> Iter() => new Row[0];

        public abstract class UniqueIndexBase<Key>
        {
            protected UniqueIndexBase(AnyTableHandle<EventContext, Row> table) { }
            protected abstract Key GetKey(Row row);
            public Row Find(Key key) => default(Row);
        }

        public abstract class BTreeIndexBase<Key>
        {
            protected BTreeIndexBase(AnyTableHandle<EventContext, Row> table) { }
            protected abstract Key GetKey(Row row);
            public IEnumerable<Row> Filter(Key key) => new Row[0];
        }
    }

    public abstract class RemoteEventTableHandle<EventContext, Row> : AnyTableHandle<EventContext, Row>
    {
        protected RemoteEventTableHandle(IDbConnection conn) : base(conn) { }
    }

    public abstract class RemoteTableHandle<EventContext, Row> : AnyTableHandle<EventContext, Row>
    {
        protected RemoteTableHandle(IDbConnection conn) : base(conn) { }
        protected virtual object GetPrimaryKey(Row row) => null;
    }
}

namespace SpacetimeDB.BSATN
{
    public interface IStructuralReadWrite { }
}

namespace SpacetimeDB.ClientApi
{
    public class TransactionUpdate { }
}

namespace System.Runtime.Serialization
{
    public sealed class DataContractAttribute : Attribute { }
    public sealed class DataMemberAttribute : Attribute
    {
        public string Name { get; set; }
    }
}
