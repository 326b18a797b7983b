// Reads and writes values of the bindings' types, as the generator in the SDK has them read and
// written: fields in the order of their declaration, options and variants by tag.
//
// The program gets lines with a type's name and bytes, and answers with the bytes that it makes of
// the value that it has read, and with the value in words.
using System;
using System.Collections;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Numerics;
using System.Reflection;
using System.Text;
using SpacetimeDB;

public static class Values
{
    public static void Main()
    {
        string line;
        while ((line = Console.ReadLine()) != null)
        {
            var parts = line.Split(' ');
            var type = Assembly.GetExecutingAssembly().GetType(parts[0]);
            if (type == null)
            {
                Console.WriteLine("there is no type " + parts[0]);
                continue;
            }
            var bytes = Enumerable.Range(0, parts[1].Length / 2)
                .Select(at => Convert.ToByte(parts[1].Substring(at * 2, 2), 16))
                .ToArray();
            var reader = new BinaryReader(new MemoryStream(bytes));
            var value = Read(type, reader);
            var left = reader.BaseStream.Length - reader.BaseStream.Position;
            var written = new MemoryStream();
            Write(type, value, new BinaryWriter(written));
            var hex = string.Concat(written.ToArray().Select(one => one.ToString("x2")));
            var rest = left == 0 ? "" : " " + left + " bytes left";
            Console.WriteLine("-" + hex + " " + Show(type, value) + rest);
        }
    }

    /// What an option is of, if the type is one.
    static Type Optional(Type type)
    {
        if (!type.IsGenericType) return null;
        var generic = type.GetGenericTypeDefinition();
        var isOption = generic == typeof(Nullable<>) || generic == typeof(Opt<>);
        return isOption ? type.GetGenericArguments()[0] : null;
    }

    static bool IsList(Type type) =>
        type.IsGenericType && type.GetGenericTypeDefinition() == typeof(List<>);

    static FieldInfo[] Fields(Type type) =>
        type.GetFields(BindingFlags.Public | BindingFlags.Instance)
            .OrderBy(field => field.MetadataToken)
            .ToArray();

    /// The types of a tagged enum's variants: the parts of its tuple, the eighth of which is
    /// a tuple again.
    static List<Type> Variants(Type type)
    {
        var variants = new List<Type>();
        var tuple = type.GetField("variants").FieldType;
        while (tuple != null)
        {
            var parts = tuple.GetGenericArguments();
            variants.AddRange(parts.Take(7));
            tuple = parts.Length == 8 ? parts[7] : null;
        }
        return variants;
    }

    static readonly Dictionary<Type, int> Widths = new Dictionary<Type, int>
    {
        { typeof(I128), 16 }, { typeof(U128), 16 }, { typeof(I256), 32 }, { typeof(U256), 32 },
    };

    static object Read(Type type, BinaryReader reader)
    {
        if (type == typeof(bool)) return reader.ReadByte() != 0;
        if (type == typeof(sbyte)) return reader.ReadSByte();
        if (type == typeof(byte)) return reader.ReadByte();
        if (type == typeof(short)) return reader.ReadInt16();
        if (type == typeof(ushort)) return reader.ReadUInt16();
        if (type == typeof(int)) return reader.ReadInt32();
        if (type == typeof(uint)) return reader.ReadUInt32();
        if (type == typeof(long)) return reader.ReadInt64();
        if (type == typeof(ulong)) return reader.ReadUInt64();
        if (type == typeof(float)) return reader.ReadSingle();
        if (type == typeof(double)) return reader.ReadDouble();
        if (type == typeof(string))
            return Encoding.UTF8.GetString(reader.ReadBytes(reader.ReadInt32()));
        if (Widths.ContainsKey(type))
        {
            var bytes = reader.ReadBytes(Widths[type]).ToList();
            if (type == typeof(U128) || type == typeof(U256)) bytes.Add(0);
            var number = Activator.CreateInstance(type);
            type.GetField("Number").SetValue(number, new BigInteger(bytes.ToArray()));
            return number;
        }
        if (type.IsEnum) return Enum.ToObject(type, reader.ReadByte());
        if (Optional(type) is Type some)
        {
            var isNone = reader.ReadByte() == 1;
            var value = isNone ? null : Read(some, reader);
            // An option of a value type is boxed as the value itself.
            return some.IsValueType ? value : Activator.CreateInstance(type, value);
        }
        if (IsList(type))
        {
            var list = (IList)Activator.CreateInstance(type);
            var count = reader.ReadInt32();
            for (var at = 0; at < count; at++) list.Add(Read(type.GetGenericArguments()[0], reader));
            return list;
        }
        var made = Activator.CreateInstance(type);
        if (made is TaggedEnum tagged)
        {
            tagged.Tag = reader.ReadByte();
            tagged.Value = Read(Variants(type)[tagged.Tag], reader);
            return tagged;
        }
        foreach (var field in Fields(type)) field.SetValue(made, Read(field.FieldType, reader));
        return made;
    }

    static void Write(Type type, object value, BinaryWriter writer)
    {
        if (type == typeof(bool)) writer.Write((bool)value);
        else if (type == typeof(sbyte)) writer.Write((sbyte)value);
        else if (type == typeof(byte)) writer.Write((byte)value);
        else if (type == typeof(short)) writer.Write((short)value);
        else if (type == typeof(ushort)) writer.Write((ushort)value);
        else if (type == typeof(int)) writer.Write((int)value);
        else if (type == typeof(uint)) writer.Write((uint)value);
        else if (type == typeof(long)) writer.Write((long)value);
        else if (type == typeof(ulong)) writer.Write((ulong)value);
        else if (type == typeof(float)) writer.Write((float)value);
        else if (type == typeof(double)) writer.Write((double)value);
        else if (type == typeof(string))
        {
            var bytes = Encoding.UTF8.GetBytes((string)value);
            writer.Write(bytes.Length);
            writer.Write(bytes);
        }
        else if (Widths.ContainsKey(type))
        {
            var number = (BigInteger)type.GetField("Number").GetValue(value);
            var bytes = number.ToByteArray();
            var sign = (byte)(number.Sign < 0 ? 255 : 0);
            for (var at = 0; at < Widths[type]; at++)
                writer.Write(at < bytes.Length ? bytes[at] : sign);
        }
        else if (type.IsEnum) writer.Write((byte)Convert.ToInt32(value));
        else if (Optional(type) is Type some)
        {
            var inner = Inner(value);
            writer.Write((byte)(inner == null ? 1 : 0));
            if (inner != null) Write(some, inner, writer);
        }
        else if (IsList(type))
        {
            var list = (IList)value;
            writer.Write(list.Count);
            foreach (var one in list) Write(type.GetGenericArguments()[0], one, writer);
        }
        else if (value is TaggedEnum tagged)
        {
            writer.Write((byte)tagged.Tag);
            Write(Variants(type)[tagged.Tag], tagged.Value, writer);
        }
        else
        {
            foreach (var field in Fields(type))
                Write(field.FieldType, field.GetValue(value), writer);
        }
    }

    /// What is in an option, or null.
    static object Inner(object option) =>
        option is IOpt some ? some.Boxed : option;

    static string Show(Type type, object value)
    {
        if (type == typeof(bool)) return (bool)value ? "true" : "false";
        if (type == typeof(string))
            return "'" + string.Concat(
                Encoding.UTF8.GetBytes((string)value).Select(one => one.ToString("x2"))) + "'";
        if (type == typeof(float))
            return "f" + BitConverter.ToUInt32(BitConverter.GetBytes((float)value), 0).ToString("x");
        if (type == typeof(double))
            return "f" + ((ulong)BitConverter.DoubleToInt64Bits((double)value)).ToString("x");
        if (Widths.ContainsKey(type)) return type.GetField("Number").GetValue(value).ToString();
        if (type.IsPrimitive) return Convert.ToString(value, CultureInfo.InvariantCulture);
        if (type.IsEnum) return Convert.ToInt32(value) + ":()";
        if (Optional(type) is Type some)
            return Inner(value) == null ? "1:()" : "0:" + Show(some, Inner(value));
        if (IsList(type))
        {
            var list = ((IList)value).Cast<object>();
            return "[" + string.Join(",", list.Select(one => Show(type.GetGenericArguments()[0], one)))
                + "]";
        }
        if (value is TaggedEnum tagged)
            return tagged.Tag + ":" + Show(Variants(type)[tagged.Tag], tagged.Value);
        return "(" + string.Join(
            ",", Fields(type).Select(field => Show(field.FieldType, field.GetValue(value)))) + ")";
    }
}
