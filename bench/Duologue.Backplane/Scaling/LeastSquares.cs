namespace Duologue.Backplane;

/// <summary>The factors by which rows of terms come nearest to 1, in the sense of the least squares: with each row divided by what was measured, no row counts for more because it is larger.</summary>
internal static class LeastSquares
{
    /// <summary>Null if the rows do not tell the factors apart.</summary>
    public static double[]? Solve(IReadOnlyList<double[]> rows)
    {
        int count = rows[0].Length;

        // The normal equations, and what they are to be in the last column.
        double[][] equations = [.. Enumerable.Range(0, count).Select(i => (double[])[.. Enumerable.Range(0, count).Select(j => rows.Sum(row => row[i] * row[j])), rows.Sum(row => row[i])])];
        for (int i = 0; i < count; i++)
        {
            int pivot = Enumerable.Range(i, count - i).MaxBy(row => Math.Abs(equations[row][i]));
            (equations[i], equations[pivot]) = (equations[pivot], equations[i]);
            if (Math.Abs(equations[i][i]) < 1e-12)
            {
                return null;
            }

            for (int row = 0; row < count; row++)
            {
                double factor = row == i ? 0 : equations[row][i] / equations[i][i];
                for (int column = i; factor != 0 && column <= count; column++)
                {
                    equations[row][column] -= factor * equations[i][column];
                }
            }
        }

        return [.. equations.Select((equation, i) => equation[count] / equation[i])];
    }
}
