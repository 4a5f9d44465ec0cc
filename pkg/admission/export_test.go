package admission

// For tests that need the engine with the chart's templates.
var Cost = cost
