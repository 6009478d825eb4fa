// LabTrials
