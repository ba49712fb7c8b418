using System.Text.Json;

namespace Duologue.Cli.Compare.Clients;

/// <summary>Reads what the feed sends: pages, and single items.</summary>
internal static class FeedItems
{
    /// <summary>Books the messages of a page; answers its cursor and how many there were.</summary>
    public static (string Next, int Count) DeliverPage(ReadOnlySpan<byte> json, Ledger ledger, int client)
    {
        var reader = new Utf8JsonReader(json);
        string? next = null;
        int count = 0;
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("items"u8))
            {
                reader.Read();
                while (reader.Read() && reader.TokenType == JsonTokenType.StartObject)
                {
                    DeliverItem(ref reader, ledger, client);
                    count++;
                }
            }
            else if (reader.ValueTextEquals("next"u8))
            {
                reader.Read();
                next = reader.GetString();
            }
            else
            {
                reader.Skip();
            }
        }

        return (next ?? throw new InvalidDataException("A page has no cursor."), count);
    }

    /// <summary>Books one message.</summary>
    public static void DeliverItem(ReadOnlySpan<byte> json, Ledger ledger, int client)
    {
        var reader = new Utf8JsonReader(json);
        reader.Read();
        DeliverItem(ref reader, ledger, client);
    }

    // The reader stands at the item's beginning, and then at its end.
    private static void DeliverItem(ref Utf8JsonReader reader, Ledger ledger, int client)
    {
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (!reader.ValueTextEquals("data"u8))
            {
                reader.Skip();
                continue;
            }

            (long number, int window, long due) = (-1, -1, 0);
            reader.Read();
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                bool isNumber = reader.ValueTextEquals("n"u8);
                bool isWindow = reader.ValueTextEquals("w"u8);
                bool isDue = reader.ValueTextEquals("t"u8);
                reader.Read();
                number = isNumber ? reader.GetInt64() : number;
                window = isWindow ? reader.GetInt32() : window;
                due = isDue ? reader.GetInt64() : due;
            }

            ledger.Deliver(client, window, number, due);
        }
    }
}
